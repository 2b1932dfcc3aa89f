"""What a file of conf/ says: its sentence, its settings with their comments, what it chooses."""

import re
from dataclasses import dataclass, field
from pathlib import Path

CONF = Path(__file__).parents[2] / "conf"
_LINE = re.compile(r"^( *)([\w@/.]+):(?: +([^#\s].*?))?(?:\s+# *(.*))?$")
_REFERENCE = re.compile(r"^\$\{([\w.]+)\}$")
_HEAD = re.compile(r"(?:#.*\n)*")
_CHOSEN = re.compile(r"- (?:override )?/([\w/@]+): *(\w+)")


@dataclass(frozen=True)
class Setting:
    """A setting as it is typed, its value in the file, and the comment beside it."""

    key: str
    value: str
    comment: str


@dataclass
class ConfFile:
    """The content of one file of a group.

    Attributes:
        sentence: The first comment: what the choice is.
        settings: By their keys, in the order of the file.
        chosen: The options that it chooses in other groups, by the names of those groups.
        base: The name of the common file that it starts with, or "".
        target: The class or function that it builds, or "".
    """

    sentence: str = ""
    settings: dict[str, Setting] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    base: str = ""
    target: str = ""


def options(group: str) -> list[str]:
    """Return the options of a group as they are typed, sorted; base/ holds none."""
    files = (path.relative_to(CONF / group) for path in (CONF / group).rglob("*.yaml"))
    return sorted(str(file.with_suffix("")) for file in files if file.parts[0] != "base")


def read(group: str, option: str) -> ConfFile:
    """Read `conf/GROUP/OPTION.yaml`, and the common file that it starts with.

    Args:
        group: Such as "method"; "" for the top of conf/.
        option: Such as "att", or "base/generative".
    """
    text = (CONF / group / f"{option}.yaml").read_text()
    found = ConfFile()
    for base in re.findall(r"^  - (base/\w+)", text, re.MULTILINE):
        found = read(group, base)
        found.base = base.removeprefix("base/")
    head = _HEAD.match(text)[0]
    found.sentence = _sentence(head)
    found.chosen |= {group: name for group, name in _CHOSEN.findall(text) if name != "null"}
    found.target = (re.findall(r"^ *_target_: *(\S+)", text, re.MULTILINE) or [""])[0]
    prefix = "" if "@package _global_" in head or not group else f"{group}."
    for setting in _settings(text[len(head) :], prefix):
        found.settings.pop(setting.key, None)
        found.settings[setting.key] = setting
    return found


def _sentence(head: str) -> str:
    """Join the comments above a file, less the lines that tell Hydra and tests something."""
    lines = [line.lstrip("# ") for line in head.splitlines()]
    text = " ".join(line for line in lines if not line.startswith("@package"))
    return text.partition(" Sets: ")[0].strip()


def _settings(body: str, prefix: str) -> list[Setting]:
    """Read `key: value  # comment` lines; a section with a comment is a row without a value."""
    found, sections, in_defaults = [], [], False
    for line in body.splitlines():
        match = _LINE.match(line)
        if line and line[0] not in " #":
            in_defaults = line.startswith("defaults:")
        if not match or in_defaults:
            continue
        indent, key, value, comment = len(match[1]), match[2], match[3] or "", match[4] or ""
        sections = [section for section in sections if section[0] < indent]
        path = ".".join([*(name for _, name in sections), key])
        if not value:
            sections.append((indent, key))
        if comment if not value else key[0] != "_" and value != f"${{{key}}}":
            found.append(Setting(prefix + path, _shown(value), comment))
    return found


def _shown(value: str) -> str:
    """Return a value as one types it, or the setting that it is taken from; "" of a section."""
    reference = _REFERENCE.match(value)
    if reference:
        return f"that of `{reference[1]}`"
    return f"`{value}`" if value else ""
