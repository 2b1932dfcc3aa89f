"""Oracle: the files of conf/, read by OmegaConf."""

import re

import pytest
from omegaconf import OmegaConf

from musicssl.cli.conf import conf_folder
from musicssl.cli.help import help_text

CONF = conf_folder()


@pytest.mark.parametrize("command", ["train", "probe"])
def test_every_choice_has_a_word_and_its_options(command):
    text = " ".join(help_text(CONF, command).split())
    root = OmegaConf.load(CONF / f"{command}.yaml")
    groups = [key for default in root.defaults if not isinstance(default, str) for key in default]
    for group in groups:
        if group.startswith("override"):
            continue
        options = ", ".join(sorted(path.stem for path in (CONF / group).glob("*.yaml")))
        found = re.search(rf" {group} (.+)", text)
        assert found, group
        if group != "unlabelled":
            assert re.match(rf"\w.* {re.escape(options)}", found[1]), group


@pytest.mark.parametrize("command", ["train", "probe"])
def test_every_setting_is_listed_with_its_comment(command):
    text = help_text(CONF, command)
    root = OmegaConf.load(CONF / f"{command}.yaml")
    settings = OmegaConf.to_container(root, resolve=False)
    written = (CONF / f"{command}.yaml").read_text().splitlines()
    for section in ("data", *(["finetune", "teacher"] if command == "train" else [])):
        for key, value in settings[section].items():
            if key.startswith("_") or value == f"${{{key}}}":
                assert f"\n  {key}:" not in text.partition(f"\n{section}:")[2].partition("\n\n")[0]
                continue
            lines = [line for line in written if line.startswith(f"  {key}: ")]
            assert lines
            for line in lines:
                assert (line if "${" not in line else line.partition("#")[2]) in text
    assert "seed: 0" in text


@pytest.mark.parametrize("command", ["train", "probe"])
def test_it_is_short_and_leaves_out_what_is_ours(command):
    text = help_text(CONF, command)
    assert len(text.splitlines()) <= 128
    assert "_target_" not in text
    assert "hydra:" not in text
    assert max(map(len, text.splitlines())) <= 120
