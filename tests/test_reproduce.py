"""Every command of docs/reproduce.md composes, and every recipe is in it."""

from itertools import product
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

import musicssl.cli.resolvers  # noqa: F401 registers the resolvers of conf/
from tests.support.composing import CONF, composed
from tests.support.page_commands import commands
from tests.support.quick import slow_after

PAGE = Path(__file__).parents[1] / "docs" / "reproduce.md"
OURS = ("synthband_few_labels", "synthband_semisupcon", "synthband_semisupcon_samplecnn")


def jobs(words):
    """The jobs of a command, but for those that differ in their seed alone."""
    parsed = OverridesParser.create().parse_overrides([w for w in words if w != "-m"])
    axes = [
        [f"{o.key_or_group}={value}" for value in o.sweep_string_iterator()]
        if o.is_sweep_override() and o.key_or_group != "seed"
        else [f"seed={next(o.sweep_string_iterator())}" if o.is_sweep_override() else o.input_line]
        for o in parsed
    ]
    return [list(job) for job in product(*axes)]


@pytest.mark.parametrize("words", slow_after(2, commands(PAGE)), ids=" ".join)
def test_a_command_of_the_page_composes(words):
    for job in jobs(words):
        config = composed(*job)
        chosen = dict(word.split("=", 1) for word in job if "=" in word)
        for group in {"experiment", "dataset", "method", "pooling", "similarity"} & chosen.keys():
            assert str(config.hydra.runtime.choices[group]) == chosen[group]
        for axis in (config.hydra.sweeper.params or {}).items():
            for value in str(axis[1]).split(","):
                composed(*job, f"{axis[0]}={value}")


@pytest.mark.parametrize("words", commands(PAGE, "probe.py"), ids=" ".join)
def test_a_probe_of_the_page_composes(words):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("probe", words, return_hydra_config=True)
    assert config.hydra.runtime.choices.probe == dict(w.split("=", 1) for w in words)["probe"]


def test_every_recipe_of_a_source_has_a_command():
    folder = CONF / "experiment"
    recipes = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.yaml")}
    recipes = {name for name in recipes if not name.startswith("base/")} - {*OURS}
    words = [word.partition("=") for command in commands(PAGE) for word in command]
    typed = {name for key, _, values in words for name in values.split(",") if key == "experiment"}
    in_sweep = OmegaConf.load(CONF / "sweep" / "figure_5_3.yaml").hydra.sweeper.params.experiment
    assert recipes <= typed | {*in_sweep.split(",")}


def test_published_numbers_are_those_of_the_recipes_sources():
    """Four numbers by which a wrong line would be seen."""
    text = PAGE.read_text()
    assert "| CRNN, `activity_crnn` | 77.50 | 78.76 | 79.22 | 80.10 |" in text
    assert "| ATT, `att` | 81.65 | 80.68 | 80.84 | 89.08 |" in text
    assert "| DGM, `sweep=dgm_grid` | 79.79 | 81.14 | 79.54 | 88.78 |" in text
    assert "| ATT, `att_msd` | 87.48 |" in text
