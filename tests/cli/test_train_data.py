"""A run and the labels it was made from: results are never shown as those of other labels."""

import os
import shutil

import numpy as np
import pytest
import soundfile
import torch

from musicssl.cli import training
from musicssl.errors import InputError
from musicssl.runs.checkpoint import Checkpoint
from musicssl.runs.folder import RunFolder
from tests.support.commands import composed
from tests.support.quick import slow_after

RATE = 16_000
SPLITS = ["train"] * 5 + ["val"] + ["test"] * 2


@pytest.fixture
def corpus(tmp_path):
    """Tones and noises of two seconds."""
    root = tmp_path / "corpus"
    root.mkdir()
    rng, time = np.random.default_rng(0), np.arange(2 * RATE) / RATE
    for number in range(8):
        tone = 0.5 * np.sin(2 * np.pi * 220 * (number + 1) * time)
        soundfile.write(root / f"n{number}.wav", tone, RATE)
        soundfile.write(root / f"z{number}.wav", rng.uniform(-0.5, 0.5, len(time)), RATE)
    rows = [f"n{i}.wav,tone,{split}" for i, split in enumerate(SPLITS)]
    rows += [f"z{i}.wav,noise,{split}" for i, split in enumerate(SPLITS)]
    (root / "labels.csv").write_text("\n".join(["path,label,split", *rows]) + "\n")
    return root


def run(corpus, *overrides):
    folder = RunFolder(corpus.parent / "run")
    settings = ("dataset=audio_folder", f"data.root={corpus}", "trainer=cpu", "data.batch_size=4")
    places = (f"data.cache={corpus.parent / 'cache'}", "trainer.max_epochs=2")
    workers = ("dataset.num_workers=1", f"features.sample_rate={RATE}")
    config = composed("train", folder.path, *settings, *places, *workers, *overrides)
    training.run(config, folder)
    return folder


def swap(corpus):
    table = corpus / "labels.csv"
    text = table.read_text().replace("tone", "x").replace("noise", "tone").replace("x", "noise")
    table.write_text(text)


def swap_one(corpus):
    table = corpus / "labels.csv"
    table.write_text(table.read_text().replace("n3.wav,tone", "n3.wav,noise"))


def remove_a_row(corpus):
    table = corpus / "labels.csv"
    table.write_text(table.read_text().replace("z4.wav,noise,train\n", ""))
    (corpus / "z4.wav").unlink()


def add_a_file(corpus):
    shutil.copy(corpus / "n0.wav", corpus / "new.wav")


def move_to_another_split(corpus):
    table = corpus / "labels.csv"
    table.write_text(table.read_text().replace("n6.wav,tone,test", "n6.wav,tone,train"))


def change_the_sound(corpus):
    shutil.copy(corpus / "z0.wav", corpus / "n0.wav")


CHANGES = [
    (swap, "other labels than there are now"),
    (swap_one, "other labels than"),
    (remove_a_row, "other clips than"),
    (add_a_file, "other clips than"),
    (move_to_another_split, "other splits than"),
    (change_the_sound, "other features than"),
]


def resave(corpus):
    table = corpus / "labels.csv"
    table.write_bytes(table.read_bytes())
    os.utime(table, (1, 1))


def stop(*_):
    raise KeyboardInterrupt


def interrupt(corpus, monkeypatch):
    """Train, and stop before the test."""
    with monkeypatch.context() as patched:
        patched.setattr("musicssl.runs.results.write_results", stop)
        with pytest.raises(KeyboardInterrupt):
            run(corpus)


@pytest.mark.slow
@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_a_complete_run_is_not_shown_as_one_of_other_data(corpus, capsys, change, said):
    folder = run(corpus)
    before = folder.metrics.read_bytes()
    change(corpus)
    capsys.readouterr()
    with pytest.raises(InputError, match=rf"{folder.path} holds a run .*{said}.*overwrite=true"):
        run(corpus)
    assert "AUROC" not in capsys.readouterr().out
    assert folder.metrics.read_bytes() == before
    run(corpus, "overwrite=true")
    run(corpus)
    assert "This run is complete" in capsys.readouterr().out


@pytest.mark.parametrize(("change", "said"), slow_after(2, CHANGES))
@pytest.mark.parametrize("lost", slow_after(1, [None, "data.json"]))
def test_an_interrupted_run_is_not_continued_on_other_data(corpus, monkeypatch, change, said, lost):
    interrupt(corpus, monkeypatch)
    folder = RunFolder(corpus.parent / "run")
    if lost:  # the checkpoint says it too
        (folder.path / lost).unlink()
    before = folder.last.read_bytes()
    change(corpus)
    with pytest.raises(InputError, match=f"{said}.*name=") as raised:
        run(corpus)
    assert str(folder.path) in str(raised.value)
    assert folder.last.read_bytes() == before
    assert not folder.is_complete


@pytest.mark.slow
def test_a_table_that_was_saved_again_changes_nothing(corpus, monkeypatch, capsys):
    interrupt(corpus, monkeypatch)
    resave(corpus)
    folder = run(corpus)
    assert "Going on with the interrupted run" in capsys.readouterr().out
    resave(corpus)
    run(corpus)
    assert "This run is complete" in capsys.readouterr().out
    assert Checkpoint.read(folder.best).data.keys() == {"clips", "labels", "splits", "features"}


def test_a_copy_of_the_corpus_is_the_same_one(corpus, capsys):
    run(corpus)
    copy = corpus.parent / "copy"
    shutil.copytree(corpus, copy, copy_function=shutil.copyfile)  # with other times
    shutil.rmtree(corpus)
    copy.rename(corpus)
    run(corpus)
    assert "This run is complete" in capsys.readouterr().out


def test_a_run_without_hashes_is_shown_as_before(corpus, capsys):
    folder = run(corpus)
    (folder.path / "data.json").unlink()
    swap(corpus)
    run(corpus)
    assert "This run is complete" in capsys.readouterr().out


def test_a_corpus_that_is_gone_is_said_and_the_results_are_shown(corpus, capsys):
    run(corpus)
    (corpus / "labels.csv").unlink()
    run(corpus)
    shown = capsys.readouterr().out
    assert "It cannot be said whether the data of this run are still the same" in shown
    assert "This run is complete" in shown


@pytest.mark.slow
def test_hashes_that_are_damaged_are_named(corpus):
    folder = run(corpus)
    for text in ("", "[]", "{", "\0"):
        folder.data.write_text(text)
        with pytest.raises(InputError, match=r"data\.json is damaged.*overwrite=true"):
            run(corpus)


@pytest.mark.slow
def test_other_weights_to_start_from_are_other_data(corpus):
    first = run(corpus)
    start = corpus.parent / "start.ckpt"
    shutil.copy(first.best, start)
    run(corpus, "overwrite=true", f"finetune.checkpoint={start}")
    content = torch.load(start, weights_only=True)
    torch.save(content | {"epoch": 77}, start)
    with pytest.raises(InputError, match="made from other weights to start from than"):
        run(corpus, f"finetune.checkpoint={start}")
