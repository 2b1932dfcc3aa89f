"""What the texts of `musicssl.datasets` tell users to type exists: commands, options, settings."""

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import musicssl.datasets

FOLDER = Path(musicssl.datasets.__file__).parent
CONF = Path(__file__).parents[2] / "conf"
SOURCES = sorted(path for path in FOLDER.rglob("*.py") if path.name != "__init__.py")
_COMMAND = re.compile(r"python -m musicssl\.datasets\.(\w+)([^`\n]*)")
_SETTING = re.compile(r"\b(data|dataset|features)\.([a-z][a-z_]*)")


def texts(source):
    """Return the strings of a module as a reader sees them: those side by side are one."""
    found = []
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
            found.append("".join(map(str, parts)))
    return found


def commands():
    lines = [text for source in SOURCES for text in texts(source)]
    lines += [path.read_text() for path in sorted((CONF / "dataset").glob("*.yaml"))]
    found = {match.groups() for text in lines for match in _COMMAND.finditer(text)}
    return sorted(pair for pair in found if (FOLDER / f"{pair[0]}.py").exists())


@pytest.mark.parametrize(("name", "rest"), commands())
def test_a_command_has_the_options_that_texts_give_it(name, rest, capsys):
    module = importlib.import_module(f"musicssl.datasets.{name}")
    with pytest.raises(SystemExit) as ended:
        module.main(["--help"])
    assert ended.value.code == 0
    options = re.findall(r"--[a-z][\w.-]*", capsys.readouterr().out)
    assert set(re.findall(r"--[a-z][\w.-]*", rest)) <= set(options)


@cache
def keys_of(file, section=None):
    content = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    return set(content if section is None else content[section])


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_settings_in_texts_are_those_of_the_configuration(source):
    own = CONF / "dataset" / f"{source.stem}.yaml"
    files = [own] if own.exists() else sorted((CONF / "dataset").glob("*.yaml"))
    known = {
        "dataset": set().union(*map(keys_of, files)),
        "data": keys_of(CONF / "train.yaml", "data") | {"corpus"},
        "features": set().union(*map(keys_of, (CONF / "features").glob("*.yaml"))),
    }
    named = {match.groups() for text in texts(source) for match in _SETTING.finditer(text)}
    modules = {path.stem for path in (FOLDER.parent / "data").glob("*.py")}
    unknown = {
        f"{section}.{key}"
        for section, key in named
        if key not in known[section] and not (section == "data" and key in modules)
    }
    assert not unknown


def test_some_commands_and_settings_are_found():
    assert ("audio_folder", " --root DIR --labels labels.csv") in commands()
    assert len(commands()) >= 15
