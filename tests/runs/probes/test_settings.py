"""Oracles: what a user may type, value by value."""

import math
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from musicssl.errors import InputError
from musicssl.runs.probes.settings import (
    checked_baselines,
    checked_fractions,
    checked_seeds,
    embeddings_file,
    probe_folder,
    run_of,
    saved_to,
)


@pytest.mark.parametrize(
    ("typed", "fractions"),
    [(0.1, (0.1,)), (1, (1.0,)), ([1, 0.1], (0.1, 1.0)), ([0.5, 0.5], (0.5,))],
)
def test_fractions_are_one_number_or_several(typed, fractions):
    assert checked_fractions(typed) == fractions


@pytest.mark.parametrize("typed", [0, -0.1, 1.5, math.nan, [], [0.1, 2], "all", True, None])
def test_other_fractions_are_refused(typed):
    with pytest.raises(InputError, match=r"data\.p_s"):
        checked_fractions(typed)


def test_draws_have_seeds_of_their_own():
    assert checked_seeds(4, 3) == (4, 5, 6)
    for seed, seeds in ((0, 0), (0, -1), (0, 1.5), (0, True), (-1, 1), ("a", 1)):
        with pytest.raises(InputError, match="seed"):
            checked_seeds(seed, seeds)


def test_baselines_are_known_and_named_once():
    assert checked_baselines(["log_mel", "untrained", "log_mel"]) == ("log_mel", "untrained")
    assert checked_baselines("untrained") == ("untrained",)
    assert checked_baselines(None) == checked_baselines([]) == ()
    with pytest.raises(InputError, match="no baseline 'chance'"):
        checked_baselines(["chance"])


@pytest.mark.parametrize("wrap", [lambda node: node, OmegaConf.create])
def test_a_file_of_embeddings_is_named_in_one_of_two_ways(wrap):
    both = wrap({"file": "~/a.npz", "save": "b.parquet"})
    assert embeddings_file("a.npz") == Path("a.npz")
    assert embeddings_file(both) == Path.home() / "a.npz"
    assert saved_to(both) == Path("b.parquet")
    neither = wrap({"file": None, "save": None})
    assert embeddings_file(neither) is saved_to(neither) is saved_to("a.npz") is None


CHOICES = {"dataset": "gtzan", "probe": "knn", "encoder": None}
NO_FILE = {"file": None, "save": None}


def test_a_probe_lies_in_the_run_of_its_checkpoint(tmp_path):
    run = tmp_path / "att" / "p1.0_b1.0_s0"
    (run / "checkpoints").mkdir(parents=True)
    checkpoint = str(run / "checkpoints" / "best.ckpt")
    outside = probe_folder(checkpoint, NO_FILE, str(tmp_path), None, CHOICES)
    assert Path(outside).parents[2] == tmp_path / "probes"  # it is no run without its settings
    (run / "config.yaml").touch()
    assert probe_folder(checkpoint, NO_FILE, str(tmp_path), None, CHOICES) == str(
        run / "probes" / "gtzan" / "knn"
    )
    own = probe_folder(checkpoint, NO_FILE, str(tmp_path), None, CHOICES | {"dataset": None})
    assert own == str(run / "probes" / "own_corpus" / "knn")
    named = probe_folder(checkpoint, NO_FILE, str(tmp_path), "mine", CHOICES)
    assert named == str(run / "probes" / "mine" / "knn")
    last = probe_folder(checkpoint.replace("best", "last"), NO_FILE, "runs", None, CHOICES)
    assert last == str(run / "probes" / "last" / "gtzan" / "knn")


def test_a_run_is_recognised_from_within(tmp_path, monkeypatch):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.yaml").touch()
    monkeypatch.chdir(tmp_path / "checkpoints")
    assert run_of(Path("best.ckpt")) == tmp_path
    assert run_of(Path("../checkpoints/best.ckpt").absolute()) is not None


def test_what_has_no_run_lies_among_all_runs_by_its_name(tmp_path):
    places = [
        probe_folder(None, "theirs.npz", str(tmp_path), None, CHOICES),
        probe_folder(None, "other/theirs.npz", str(tmp_path), None, CHOICES),
        probe_folder("theirs.ckpt", NO_FILE, str(tmp_path), None, CHOICES),
        probe_folder(None, NO_FILE, str(tmp_path), None, CHOICES | {"encoder": "cnn"}),
    ]
    assert len(set(places)) == 4
    assert all(Path(place).parents[2] == tmp_path / "probes" for place in places)
    assert Path(places[3]).parents[1].name == "untrained_cnn"
