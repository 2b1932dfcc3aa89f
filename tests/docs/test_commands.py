"""Every command of README.md and of the documentation composes, builds its parts or is parsed."""

import argparse
import importlib.util
import re

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import OmegaConf

from musicssl.cli.composed_settings import check_use
from musicssl.cli.main import main
from musicssl.cli.probe import as_hydra_takes_it
from musicssl.cli.run_data import build_datamodule
from tests.support.commands import ROOT
from tests.support.composing import CONF, composed
from tests.support.documented import code_blocks, noted, of_package, of_script, pages
from tests.support.page_commands import first_values
from tests.support.quick import slow_after

SIZES = {"num_features": 128, "num_instances": 10, "num_classes": 20}
OTHER_SIZES = {  # of corpora that are no instances of ten seconds
    "dmelodies": {"num_tokens": 52, "num_instances": 16, "task": "regression"},
    "folk": {"num_tokens": 53, "num_instances": 24, "task": "regression"},
    "folk_composed": {"num_tokens": 53, "num_instances": 24, "task": "regression"},
    "synthband_notes": {"num_instances": 43, "task": "multi_class"},
    "nsynth": {"num_instances": 43, "task": "multi_class"},
}
TASKS = {  # where it is not multi_label
    "dataset=emomusic": "regression",
    "dataset=gtzan": "multi_class",
    "dataset=esc10": "multi_class",
    "dataset=synthband_solo": "multi_class",
    "dataset.path=digits.npz": "multi_class",
    "experiment=vade_semi_supervised": "multi_class",
}
ELSEWHERE = {  # files and modules that only the reader has
    "encoder.module": "tests.support.hear_sound",
    "encoder.weights": "null",
    "dataset.sound_fonts": "[default]",
    "dataset.test_sound_fonts": "[default]",
    "unlabelled.sound_fonts": "[default]",
}
PLUGINS = {
    **dict.fromkeys(("slurm", "slurm_local"), "hydra_submitit_launcher"),
    "ray": "hydra_ray_launcher",
}


def installed(words):
    """Leave out a launcher whose plugin is not here, and its settings."""
    words = list(words)
    chosen = dict(word.partition("=")[::2] for word in words)
    plugin = PLUGINS.get(chosen.get("launcher"))
    if plugin is None or importlib.util.find_spec(f"hydra_plugins.{plugin}"):
        return words
    return [w for w in words if not w.startswith(("launcher=", "hydra.launcher."))]


def here(words):
    """Put parts of the tests in place of those that only the reader has."""
    parted = [word.partition("=") for word in words]
    found = [
        f"{key}={ELSEWHERE.get(key, value)}" if is_set else key for key, is_set, value in parted
    ]
    return [*found, "features.sample_rate=16000"] if "encoder=hear" in found else found


def folds_of(config):
    """The setting that a sweep over folds varies; see tests/cli/test_fold_axis.py."""
    if "fold" in config.dataset:
        return "dataset.fold"
    return "dataset.test_fold" if "test_fold" in config.dataset else "dataset.labels.fold"


def known(command):
    return f"{command.page}: {' '.join(command.words)}"


def test_loops_and_variables_are_expanded_and_no_other_command_runs(tmp_path):
    block = f"""
for s in a b; do python train.py name=$s 'x=[1, 2]'   # a comment
done
touch {tmp_path}/file; /bin/false | musicssl report \\
  runs
P="m=1 n=2"
python probe.py $P <<'END'
python no.py
END
cd musicssl && python never.py
"""
    assert noted([block, "if", "python after.py"]) == [
        ("python", "train.py", "name=a", "x=[1, 2]"),
        ("python", "train.py", "name=b", "x=[1, 2]"),
        ("musicssl", "report", "runs"),
        ("python", "probe.py", "m=1", "n=2"),
        ("python", "after.py"),
    ]
    assert not list(tmp_path.iterdir())


def test_blocks_are_read_with_their_languages():
    text = "a\n```python\nx = 1\n```\nb\n```\nls\n```\n"
    assert list(code_blocks(text)) == [("python", "x = 1"), ("", "ls")]


def test_the_commands_are_found():
    assert len(of_script("train")) > 100
    assert len(of_script("probe")) > 12
    assert any(page == "README.md" for page, _ in of_script("train"))
    assert any("sweep=batch_mix" in words for _, words in of_script("train"))
    assert {"predict", "embed", "latents", "export", "report", "data"} == {
        words[0] for words in of_package()
    }


@pytest.mark.parametrize("command", slow_after(6, [(c,) for c in of_script("train")]), ids=known)
def test_training_builds_what_the_command_names(command):
    """Of a sweep, its first job: the values of the file, then those of the command line."""
    typed = here(first_values(installed(command.words)))
    config = composed(*typed)
    if params := config.hydra.sweeper.params:
        axes = {folds_of(config) if key == "dataset.fold" else key: v for key, v in params.items()}
        values = first_values(f"{key}={value}" for key, value in axes.items())
        config = composed(*values, *typed)
    chosen = {line.partition("=")[0]: line.partition("=")[2] for line in typed}
    for group in {"method", "dataset", "encoder", "views"} & chosen.keys():
        assert config.hydra.runtime.choices[group] == chosen[group]
    for key in ("p_s", "b_s"):
        value = chosen.get(f"data.{key}", "null")
        assert value == "null" or config.data[key] == float(value)
    check_use(config.method, typed)
    task = next((task for word, task in TASKS.items() if word in typed), "multi_label")
    other = OTHER_SIZES.get(config.hydra.runtime.choices.dataset, {})
    assert callable(instantiate(config.method, **{**SIZES, "task": task, **other}).scores)
    assert build_datamodule(config).batch_size == config.data.batch_size


@pytest.mark.parametrize("command", slow_after(4, [(c,) for c in of_script("probe")]), ids=known)
def test_probing_builds_what_the_command_names(command):
    typed = first_values(installed(map(as_hydra_takes_it, command.words)))
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("probe", typed, return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    chosen = dict(line.split("=", 1) for line in typed)
    probe = chosen.get("probe", "linear")
    assert config.hydra.runtime.choices.probe == probe
    assert config.hydra.runtime.choices.dataset == chosen.get("dataset")
    target = OmegaConf.load(CONF / "probe" / f"{probe}.yaml")["_target_"]
    assert type(instantiate(config.probe)).__module__ == target.rpartition(".")[0]
    has_file = {"embeddings", "embeddings.file"} & chosen.keys()
    own = "own_labels" if has_file else "own_corpus"
    assert f"/{chosen.get('dataset', own)}/{probe}/" in config.hydra.run.dir


class Parsed(Exception):  # noqa: N818 it is no error
    """The words were understood."""


@pytest.mark.parametrize("words", of_package(), ids=" ".join)
def test_the_other_commands_are_parsed(words, monkeypatch):
    for name in ("parse_args", "parse_intermixed_args"):
        parse = getattr(argparse.ArgumentParser, name)

        def stop_after(parser, *given, parse=parse):
            raise Parsed(parse(parser, *given))

        monkeypatch.setattr(argparse.ArgumentParser, name, stop_after)
    with pytest.raises(Parsed):
        main(words)


def test_benchmarks_that_are_named_exist():
    named = {name for text in pages().values() for name in re.findall(r"benchmarks/\w+\.py", text)}
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []
