"""Oracles: which files are there before and after, and what the folder is called."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from musicssl.cli.probe_settings import saved_to
from musicssl.runs.probes.folder import ProbeFolder, embeddings_files, probe_folder, run_of


def test_a_folder_holds_the_results_of_one_fingerprint(tmp_path):
    folder = ProbeFolder(tmp_path / "probe")
    assert not folder.holds("abc")
    folder.claim({"a": 1})
    assert not folder.is_complete
    folder.metrics.write_text(json.dumps({"made_of": "abc"}))
    assert folder.holds("abc")
    assert not folder.holds("another")


def test_a_claim_removes_what_a_probe_left_and_nothing_else(tmp_path):
    folder = ProbeFolder(tmp_path)
    folder.figures.mkdir()
    theirs = [folder.metrics, folder.fits, folder.predictions, folder.robustness]
    for file in (*theirs, folder.figures / "a.png", tmp_path / "notes.txt"):
        file.touch()
    folder.claim({"a": 1})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "notes.txt"]


@pytest.mark.parametrize("wrap", [lambda node: node, OmegaConf.create])
def test_a_file_of_embeddings_is_named_in_one_of_two_ways(wrap):
    both = wrap({"file": "~/a.npz", "save": "b.parquet"})
    assert embeddings_files("a.npz") == (Path("a.npz"),)
    assert embeddings_files(both) == (Path.home() / "a.npz",)
    assert saved_to(both) == Path("b.parquet")
    neither = wrap({"file": None, "save": None})
    assert embeddings_files(neither) == ()
    assert saved_to(neither) is saved_to("a.npz") is None


@pytest.mark.parametrize("wrap", [list, OmegaConf.create])
def test_several_files_of_embeddings_are_a_list(wrap):
    files = wrap(["~/a.npz", "b.npz"])
    expected = (Path.home() / "a.npz", Path("b.npz"))
    assert embeddings_files(files) == embeddings_files({"file": files}) == expected
    assert embeddings_files(wrap([])) == ()
    places = [
        probe_folder(None, wrap(names), "runs", None, None, CHOICES)
        for names in (["a.npz"], ["a.npz", "b.npz"], ["b.npz", "a.npz"])
    ]
    assert len(set(places)) == 3
    assert places[0] == probe_folder(None, "a.npz", "runs", None, None, CHOICES)
    assert "/probes/a+b-" in places[1]


CHOICES = {"dataset": "gtzan", "probe": "knn", "encoder": None}
NO_FILE = {"file": None, "save": None}


def test_a_probe_lies_in_the_run_of_its_checkpoint(tmp_path):
    run = tmp_path / "att" / "p1.0_b1.0_s0"
    (run / "checkpoints").mkdir(parents=True)
    checkpoint = str(run / "checkpoints" / "best.ckpt")
    outside = probe_folder(checkpoint, NO_FILE, str(tmp_path), None, None, CHOICES)
    assert Path(outside).parents[2] == tmp_path / "probes"  # it is no run without its settings
    (run / "config.yaml").touch()
    assert probe_folder(checkpoint, NO_FILE, str(tmp_path), None, None, CHOICES) == str(
        run / "probes" / "gtzan" / "knn"
    )
    own = probe_folder(checkpoint, NO_FILE, str(tmp_path), None, None, CHOICES | {"dataset": None})
    assert own == str(run / "probes" / "own_corpus" / "knn")
    named = probe_folder(checkpoint, NO_FILE, str(tmp_path), "mine", None, CHOICES)
    assert named == str(run / "probes" / "mine" / "knn")
    last = probe_folder(checkpoint.replace("best", "last"), NO_FILE, "runs", None, None, CHOICES)
    assert last == str(run / "probes" / "last" / "gtzan" / "knn")


def test_a_run_is_recognised_from_within(tmp_path, monkeypatch):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.yaml").touch()
    monkeypatch.chdir(tmp_path / "checkpoints")
    assert run_of(Path("best.ckpt")) == tmp_path
    assert run_of(Path("../checkpoints/best.ckpt").absolute()) is not None


def test_what_has_no_run_lies_among_all_runs_by_its_name(tmp_path):
    places = [
        probe_folder(None, "theirs.npz", str(tmp_path), None, None, CHOICES),
        probe_folder(None, "other/theirs.npz", str(tmp_path), None, None, CHOICES),
        probe_folder("theirs.ckpt", NO_FILE, str(tmp_path), None, None, CHOICES),
        probe_folder(None, NO_FILE, str(tmp_path), None, None, CHOICES | {"encoder": "cnn"}),
    ]
    assert len(set(places)) == 4
    assert all(Path(place).parents[2] == tmp_path / "probes" for place in places)
    assert Path(places[3]).parents[1].name == "untrained_cnn"
