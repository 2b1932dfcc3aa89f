"""Oracle: one longer run that nobody divided; its settings typed in the run that goes on."""

import csv

import pytest
import torch

from musicssl.errors import InputError
from musicssl.runs.checkpoint import Checkpoint
from tests.support.training_command import run

pytestmark = pytest.mark.slow

CONSTANT = ("schedule=constant", "method=mean_teacher", "data.p_s=0.5", "views=weak")


def history(folder):
    with folder.history.open() as file:
        return list(csv.reader(file))


def weights(file):
    return Checkpoint.read(file).weights


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    return run(tmp_path_factory.mktemp("short"), *CONSTANT, "select=val/loss")


def test_two_runs_are_one_longer_one_to_the_bit_at_a_constant_rate(short, tmp_path, capsys):
    before = {path: path.read_bytes() for path in short.path.rglob("*") if path.is_file()}
    longer = (*CONSTANT, "select=val/loss", "trainer.max_epochs=4")
    whole = run(tmp_path / "whole", *longer)
    capsys.readouterr()
    on = run(tmp_path / "on", *longer, f"continue_from={short.path}")
    assert f"Continuing the complete run in {short.path}." in capsys.readouterr().out
    assert history(on) == history(whole)
    assert len(history(on)) == 1 + 4
    for file in ("best", "last"):
        ours, theirs = (weights(getattr(folder, file)) for folder in (on, whole))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert {path: path.read_bytes() for path in before} == before  # the earlier run stays


def test_the_best_epoch_may_be_one_of_the_earlier_run(short, tmp_path):
    worse = ("trainer.max_epochs=3", "optimizer.lr=0.0")
    earlier = run(tmp_path / "earlier", *CONSTANT, "select=val/loss", "optimizer.lr=0.0")
    on = run(tmp_path / "on", *CONSTANT, "select=val/loss", *worse, f"continue_from={earlier.path}")
    assert len(history(on)) == 1 + 3
    ours, theirs = weights(on.best), weights(earlier.best)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_rate_follows_the_schedule_of_the_longer_run(tmp_path):
    """Oracle: half a cosine over four epochs, at the last step of each epoch."""
    quick = ("optimizer=sgd", "optimizer.lr=0.1", "schedule=cosine")
    short = run(tmp_path / "short", *quick)
    on = run(tmp_path / "on", *quick, "trainer.max_epochs=4", f"continue_from={short.path}")
    state = torch.load(on.last, weights_only=True)
    [schedule] = state["lr_schedulers"]
    assert state["epoch"] == 3
    assert schedule["_last_lr"] == pytest.approx([0.0], abs=1e-9)
    steps = state["global_step"] // 4
    half = torch.load(short.last, weights_only=True)
    assert half["global_step"] == 2 * steps


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("trainer.max_epochs=2",), "has trained with trainer.max_epochs=2; set more, such as"),
        (("trainer.max_epochs=4", "encoder.dropout=0.1"), "has other settings (encoder.dropout"),
        (("trainer.max_epochs=4", "seed=1"), "has other settings"),
    ],
)
def test_what_cannot_be_trained_on_is_one_sentence(short, tmp_path, words, sentence):
    with pytest.raises(InputError) as caught:
        run(tmp_path, *CONSTANT, "select=val/loss", *words, f"continue_from={short.path}")
    assert sentence in str(caught.value)
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_method_without_a_network_has_nothing_to_train_on(short, tmp_path):
    with pytest.raises(InputError, match="trains no network; leave continue_from out"):
        run(tmp_path, "method=baseline", f"continue_from={short.path}")


def test_a_folder_without_a_complete_run_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="holds no complete run of a network"):
        run(tmp_path / "on", *CONSTANT, f"continue_from={tmp_path / 'nowhere'}")
