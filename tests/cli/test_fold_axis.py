"""A sweep over folds varies what the chosen corpus calls its folds."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode

from musicssl.cli.fold_axis import adapt_folds
from musicssl.cli.sweep import axes
from musicssl.errors import InputError

CONF = Path(__file__).parents[2] / "conf"
LABELS = "dataset@dataset.labels"
FIVE = ["1", "2", "3", "4", "5"]


def adapted(*overrides):
    """The axes of a sweep, all of whose jobs can be composed."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration("train", list(overrides), RunMode.MULTIRUN)
        adapt_folds(config)
        found = axes(config)
        first = [f"{key}={values[0]}" for key, values in found.items()]
        typed = [o for o in overrides if o.partition("=")[0] not in found]
        compose("train", [*typed, *first])
        return found


def folds(*overrides):
    return {k: v for k, v in adapted(*overrides).items() if "fold" in k}


@pytest.fixture
def folder(tmp_path):
    rows = ["path,label,fold", "a.wav,x,2", "b.wav,y,10", "c.wav,x,it's b", "d.wav,y,2", "e.wav,x,"]
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    for name in "abcde":
        (tmp_path / f"{name}.wav").write_bytes(b"")
    return f"data.root={tmp_path}"


def test_a_corpus_with_folds_keeps_the_axis_of_the_file():
    assert folds("sweep=folds", "dataset=esc50") == {"dataset.fold": FIVE}


@pytest.mark.parametrize("sweep", ["folds", "self_training"])
def test_embeddings_have_the_folds_of_the_corpus_of_their_labels(sweep):
    found = adapted(f"sweep={sweep}", "dataset=embeddings", f"{LABELS}=esc10")
    assert {k: v for k, v in found.items() if "fold" in k} == {"dataset.labels.fold": FIVE}
    kept = adapted(f"sweep={sweep}", "dataset=esc10")
    assert list(found.values()) == list(kept.values())  # in the same order


def test_a_folder_of_recordings_has_the_folds_of_its_table(folder):
    found = folds("sweep=folds", "dataset=audio_folder", folder)
    assert list(found) == ["dataset.test_fold"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        typed = [f"x={value}" for value in found["dataset.test_fold"]]
        values = [o.value() for o in OverridesParser.create(loader).parse_overrides(typed)]
    assert list(map(str, values)) == ["2", "10", "it's b"]
    of_labels = folds("sweep=folds", "dataset=embeddings", f"{LABELS}=audio_folder", folder)
    assert of_labels == {"dataset.labels.test_fold": found["dataset.test_fold"]}


def test_folds_that_are_typed_count_more():
    chosen = "dataset.labels.fold=4,5"
    found = folds("sweep=folds", "dataset=embeddings", f"{LABELS}=esc10", chosen)
    assert found == {"dataset.labels.fold": ["4", "5"]}


def test_other_sweeps_and_sweeps_over_corpora_are_left_alone():
    assert folds("sweep=seeds") == {}
    assert folds("sweep=folds", "dataset=esc10,esc50") == {"dataset.fold": FIVE}


def test_a_corpus_without_folds_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match="sweep=folds tests on each fold in turn, and dataset=syn"):
        adapted("sweep=folds")
    with pytest.raises(InputError, match=r"for embeddings dataset@dataset.labels=esc10"):
        adapted("sweep=self_training", "dataset=embeddings")
    (tmp_path / "labels.csv").write_text("path,label\na.wav,x\nb.wav,y\n")
    with pytest.raises(InputError, match=r"in the table labels\.csv, which has 0; add a column"):
        adapted("sweep=folds", "dataset=audio_folder", folder)
