"""Damage to what a run or a corpus has left: the same numbers, or one sentence, and nothing else.

Oracle: the same command on files that are whole.
"""

import json
import shutil
from collections import Counter
from functools import partial

import numpy as np
import pytest
import soundfile
import torch

from musicssl.audio.file_stores import file_store, find_file_store
from musicssl.audio.instances import instance_store
from musicssl.audio.log_mel import LogMel
from musicssl.audio.sound_files import sound_files
from musicssl.batch import Batch
from musicssl.cli import training
from musicssl.datasets.synthband import Synthband
from musicssl.documents import read_json, write_json
from musicssl.errors import InputError, disk_errors
from musicssl.probing.embeddings.extraction import embed
from musicssl.runs.checkpoint import read_checkpoint
from musicssl.runs.folder import RunFolder
from musicssl.runs.probes.folder import ProbeFolder
from musicssl.runs.resume import ResumeCheckpoint
from tests.support.commands import SEARCH_PATH, composed
from tests.support.quick import slow_after
from tests.support.tiny import Tiny

RATE = 8_000
FEATURES = LogMel(sample_rate=RATE, num_mels=16, n_fft=512)


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def last_byte(file):
    file.write_bytes(file.read_bytes()[:-1])


def empty(file):
    file.write_bytes(b"")


def zeros(file):
    file.write_bytes(bytes(file.stat().st_size))


def zeros_within(file):
    content = file.read_bytes()
    middle = len(content) // 2
    file.write_bytes(content[:middle] + bytes(100) + content[middle + 100 :])


def bit_at(share):
    def flip(file):
        content = bytearray(file.read_bytes())
        content[int(share * (len(content) - 1))] ^= 1
        file.write_bytes(content)

    flip.__name__ = f"bit_at_{share}"
    return flip


def garbage(file):
    file.write_bytes(np.random.default_rng(0).bytes(file.stat().st_size))


def more(file):
    file.write_bytes(file.read_bytes() + b"more")


def deleted(file):
    file.unlink()


def a_folder(file):
    file.unlink()
    file.mkdir()


def flip_a_weight(file):
    weights = max(read_checkpoint(file)["state_dict"].values(), key=torch.numel)
    content, stored = bytearray(file.read_bytes()), weights.numpy().tobytes()
    assert content.count(stored) >= 1
    content[content.find(stored) + len(stored) // 2] ^= 1
    file.write_bytes(content)


BITS = [bit_at(share) for share in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)]
DAMAGE = [cut, last_byte, empty, zeros, zeros_within, *BITS, garbage, more, deleted, a_folder]


def judged(work, place, expected):
    """Say what became of a command on damaged files; anything but two things fails."""
    try:
        found = work(place)
    except InputError as mistake:
        said = str(mistake)
    else:
        said = None
    if said is not None:
        assert str(place) in said
        assert "\n" not in said
        return "sentence"
    assert json.dumps(found) == json.dumps(expected)
    return "same numbers"


def told(count):
    same, refused = count["same numbers"], count["sentence"]
    return f"{same + refused} tried, {same} the same numbers, {refused} refused, 0 silently used"


class Mean(torch.nn.Module):
    """Embeds a clip as the mean of its instances."""

    def clip_embeddings(self, batch: Batch):
        return batch.x.mean(dim=1)


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    root = tmp_path_factory.mktemp("audio")
    rng = np.random.default_rng(0)
    for name in ("a.wav", "b.wav", "c.wav"):
        soundfile.write(root / name, rng.uniform(-0.5, 0.5, RATE * 2), RATE)
    return root


NAMES = ["a.wav", "b.wav", "c.wav"]


def all_of(sound):
    rows = np.arange(len(sound.lengths))
    samples = sound.read(rows, np.zeros_like(rows), int(sound.lengths.max()))
    return [list(sound.clip_ids), sound.lengths.tolist(), samples.sum(axis=1).tolist()]


def synthband(cache, root):
    corpus = Synthband(
        num_clips=10, cache=cache, features=LogMel(num_mels=16), num_workers=1
    ).load()
    return [np.asarray(corpus.x).tolist(), corpus.y.tolist(), corpus.activity.tolist()]


def instances(cache, root):
    store = instance_store(root, NAMES, FEATURES, cache, "folder", num_workers=1)
    return [store.clip_ids, np.asarray(store.x).tolist(), store.lengths.tolist(), store.unreadable]


def headers(cache, root):
    return all_of(sound_files(root, NAMES, RATE, cache, num_workers=1))


def prepared(cache, root):
    return all_of(file_store(root, NAMES, RATE, cache, "folder", num_workers=1))


def found(cache, root):
    """As training finds a store; prepared by the first call."""
    if not cache.exists():
        prepared(cache, root)
    return all_of(find_file_store(root, NAMES, RATE, cache, "folder"))


def embeddings(cache, root):
    return embed(Mean(), Tiny(num_clips=30).load(), {"a": 1}, cache, batch_size=10).tolist()


CACHES = (synthband, instances, headers, prepared, found, embeddings)


@pytest.mark.slow
@pytest.mark.parametrize("make", CACHES, ids=lambda make: make.__name__)
def test_damaged_caches_are_made_again_or_named(audio, tmp_path, say, make):
    whole = tmp_path / "whole"
    expected = make(whole, audio)
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    files = [file for file in files if not file.name.startswith(".")]
    assert files
    count = Counter()
    for number, (name, damage) in enumerate((n, d) for n in files for d in DAMAGE):
        cache = tmp_path / str(number)  # what a process has checked is by its path
        shutil.copytree(whole, cache)
        damage(cache / name)
        count[judged(partial(make, root=audio), cache, expected)] += 1
        if make is not found:
            assert make(cache, audio) == expected
        shutil.rmtree(cache)
    say(f"damaged caches, {make.__name__}: {told(count)}")
    assert count["same numbers"] > 0
    assert (count["sentence"] > 0) == (make is found)


def test_a_folder_of_derived_data_may_be_a_file(audio, tmp_path):
    expected = instances(tmp_path / "cache", audio)
    [folder] = (tmp_path / "cache").glob("folder-*")
    shutil.rmtree(folder)
    folder.write_text("a file")
    assert instances(tmp_path / "cache", audio) == expected


def test_a_cache_of_an_earlier_version_is_used_if_it_is_whole(audio, tmp_path, caplog):
    cache = tmp_path / "cache"
    expected = instances(cache, audio)
    [sums] = cache.glob("*/checksums.json")
    sums.unlink()
    moved = cache.rename(tmp_path / "moved")
    assert instances(moved, audio) == expected
    assert not caplog.records
    sums = moved / sums.parent.name / sums.name
    assert sums.is_file()
    sums.unlink()
    last_byte(sums.with_name("x.npy"))
    moved = moved.rename(tmp_path / "again")
    assert instances(moved, audio) == expected
    assert "x.npy cannot be read" in caplog.text


class StoppedError(Exception):
    """Ends a run within."""


SETTINGS = (
    *(
        SEARCH_PATH,
        "dataset=tiny",
        "trainer=cpu",
        "baselines=false",
        "trainer.max_epochs=4",
        "data.batch_size=16",
    ),
    *("dataset.num_clips=60", "encoder.num_layers=1"),
)


def run(path, *settings):
    folder = RunFolder(path)
    with disk_errors(path):  # as the command does
        training.run(composed("train", path, *SETTINGS, *settings), folder)
    document = read_json(folder.metrics)
    return [document["macro"], document["per_class"], document["best_epoch"]]


def run_of_embeddings(path):
    return run(path, "method=semisupcon", "encoder=att", "views=weak")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run that is complete, one that was stopped after three of four epochs, and its numbers."""
    folder = tmp_path_factory.mktemp("runs")
    expected = run(folder / "complete")
    save, saved = ResumeCheckpoint._save, []

    def save_three(self, trainer):
        save(self, trainer)
        saved.append(trainer.current_epoch)
        if len(saved) == 3:
            raise StoppedError

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ResumeCheckpoint, "_save", save_three)
        with pytest.raises(StoppedError):
            run(folder / "interrupted")
    return folder, expected


@pytest.fixture(scope="module")
def run_with_probes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probes") / "run"
    return folder, run_of_embeddings(folder)


FILES = [
    ("interrupted", "checkpoints/last.ckpt"),
    ("interrupted", "checkpoints/previous.ckpt"),
    ("interrupted", "checkpoints/best.ckpt"),
    ("interrupted", "config.yaml"),
    ("interrupted", "data.json"),
    ("interrupted", "history.csv"),
    ("complete", "config.yaml"),
    ("complete", "data.json"),
    ("complete", "metrics.json"),
    ("complete", "checkpoints/best.ckpt"),
]
QUICK = [
    (*FILES[0], flip_a_weight),
    (*FILES[8], bit_at(0.3)),
    (*FILES[0], deleted),
    (*FILES[2], cut),
    (*FILES[3], deleted),
    (*FILES[8], a_folder),
]


@pytest.mark.slow
@pytest.mark.parametrize(("state", "name", "damage"), slow_after(2, QUICK))
def test_a_damaged_run_ends_as_it_would_have_or_with_a_sentence(
    runs, tmp_path, state, name, damage
):
    place = tmp_path / "run"
    shutil.copytree(runs[0] / state, place)
    damage(place / name)
    judged(run, place, runs[1])


@pytest.mark.parametrize("damage", slow_after(4, reversed(DAMAGE)))
def test_a_damaged_table_of_probes_is_named(run_with_probes, tmp_path, damage):
    place = tmp_path / "run"
    shutil.copytree(run_with_probes[0], place)
    damage(place / "label_curve.csv")
    judged(run_of_embeddings, place, run_with_probes[1])


@pytest.mark.fuzz
def test_all_damage_to_a_run_ends_with_the_same_numbers_or_a_sentence(runs, tmp_path, say):
    for state, name in FILES:
        count = Counter()
        for damage in DAMAGE:
            place = tmp_path / "run"
            shutil.copytree(runs[0] / state, place)
            damage(place / name)
            count[judged(run, place, runs[1])] += 1
            shutil.rmtree(place)
        say(f"damaged {name} of a run that is {state}: {told(count)}")


def test_a_damaged_last_checkpoint_is_said(runs, tmp_path, capsys):
    place = tmp_path / "run"
    shutil.copytree(runs[0] / "interrupted", place)
    flip_a_weight(place / "checkpoints" / "last.ckpt")
    assert run(place) == runs[1]
    said = capsys.readouterr().out
    assert "last.ckpt cannot be used: going on from previous.ckpt." in said
    assert {file.name for file in (place / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}


@pytest.mark.parametrize("names", slow_after(1, [["last.ckpt", "previous.ckpt"], ["best.ckpt"]]))
def test_without_a_checkpoint_that_is_whole_training_begins_again(runs, tmp_path, capsys, names):
    place = tmp_path / "run"
    shutil.copytree(runs[0] / "interrupted", place)
    for name in names:
        cut(place / "checkpoints" / name)
    assert run(place) == runs[1]
    said = capsys.readouterr().out
    assert "cannot be used: training begins again." in said
    assert "epoch 0/3" in said


PROBE = {"dataset": {"x": 1}, "data": {"p_s": [1.0], "batch_size": 8}}
RESULT = {"macro": {"auroc": 0.5}, "made_of": "abc", "source": {}, "cells": [], "fits": []}


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_a_damaged_probe_is_named_or_done_again(tmp_path, damage):
    folder = ProbeFolder(tmp_path / "probe")
    for name in ("config.yaml", "probe.json"):
        folder.claim(PROBE)
        write_json(folder.metrics, RESULT | {"compared_with": []})
        assert folder.holds("abc")
        damage(folder.path / name)
        if name == "config.yaml":
            judged(lambda _: folder.check(PROBE), folder.path, None)
        else:
            assert not folder.holds("abc") or folder.document()["macro"] == RESULT["macro"]
        folder.claim(PROBE)
        assert not folder.holds("abc")
