"""Oracle: Lightning, NumPy and torch refuse the same; what is trained is counted by hand."""

import json
import random

import pytest
import torch

from musicssl.cli import training
from musicssl.cli.app import resolved
from musicssl.cli.conf import conf_folder
from musicssl.cli.overrides import override_errors
from musicssl.errors import InputError, input_error
from musicssl.runs import results
from musicssl.runs.checkpoint import Checkpoint
from musicssl.runs.folder import RunFolder
from musicssl.runs.history import History, read_history
from tests.support.commands import composed, shell
from tests.support.tiny import Tiny
from tests.support.training_command import QUICK


def run(folder, *overrides):
    words = [*QUICK, *overrides]
    with override_errors(conf_folder(), "train", words):
        training.run(composed("train", folder, *words), RunFolder(folder))
    return RunFolder(folder)


REFUSED = {
    "seed=-1": "seed must be a whole number from 0 to 4294967295, got -1.",
    "seed=4294967296": "seed must be a whole number from 0 to 4294967295, got 4294967296.",
    "seed=1.5": "seed must be a whole number",
    "seed=null": "seed must be a whole number from 0 to 4294967295, got null.",
    "data.split_seed=-1": "data.split_seed must be a whole number from 0",
    "optimizer.lr=-1": "the optimizer refuses its settings: Invalid learning rate: -1",
    "optimizer.lr=nan": "optimizer.lr must be a finite number such as 0.001, got nan.",
    "+trainer.limit_train_batches=0.01": "limit_train_batches=0.01 leaves none of 6 batches",
    "+trainer.limit_val_batches=0": "limit_val_batches=0 leaves none of 1 batches",
    "+trainer.fast_dev_run=true": "trainer=debug trains two short epochs",
    "+trainer.check_val_every_n_epoch=3": "with trainer.max_epochs=2: no epoch would be validated",
    "+trainer.val_check_interval=99": "val_check_interval=99 is not within an epoch of 6 steps",
    "trainer.max_steps=3": "before an epoch is validated, after 6 steps; raise it to 6",
    "+trainer.max_time=00:00:00:00": "before trainer.max_time ended training; raise it.",
    "trainer.max_epochs=0": "trainer.max_epochs must be a whole number from 1 up, got 0.",
    "trainer.max_epochs=-1": "trainer.max_epochs must be a whole number from 1 up, got -1.",
    "trainer.max_epochs=null trainer.max_steps=-1": "training would never end",
    "trainer.precision=bf16-true": "choose auto, 32-true, 16-mixed or bf16-mixed",
    "trainer.precision=64-true": "choose auto, 32-true, 16-mixed or bf16-mixed",
    "trainer.precision=16-true": "choose auto, 32-true, 16-mixed or bf16-mixed",
    "trainer.devices=2 +trainer.strategy=ddp_spawn": "choose trainer=ddp",
    "trainer.devices=abc": "trainer cannot be built with trainer",
    "trainer.gradient_clip_val=abc": "trainer.gradient_clip_val must be a number",
    "optimizer=0.5": "there is no optimizer=0.5; choose one of adam",
    "schedule=1000000": "there is no schedule=1000000; choose one of constant",
    "optimizer=[]": "optimizer=[] removes a setting that others refer to",
    "~select": "~select removes a setting that every run needs",
    "~pooling": "~pooling removes a setting that every run needs",
    "~data.p_s": "~data.p_s removes a setting that every run needs",
    "~trainer.logger": "there is no setting trainer.logger to remove",
    "+optimizer=adam": "optimizer is chosen already",
    "++finetune.checkpoint=1000000": "there is no checkpoint 1000000",
    "method=pitch_timbre dataset=esc10 data.root=x": (
        "dataset.target, which method=pitch_timbre sets, is no setting of dataset=esc10; choose "
        "dataset=nsynth or dataset=synthband or dataset=synthband_notes or dataset=vocalset, or "
        "another method."
    ),
    "dataset=synthband dataset.features=a:b": "cannot be built with dataset.features=a:b",
    "+trainer.logger=true": "choose logger=csv or logger=wandb",
    "+trainer.num_sanity_val_steps=1": "num_sanity_val_steps=1 cannot be used",
    "+trainer.overfit_batches=1": "overfit_batches=1 cannot be used",
    "+trainer.enable_checkpointing=false": "enable_checkpointing=false cannot be used",
    "+trainer.callbacks=[1]": "trainer.callbacks must be a list of callbacks",
    "+trainer.callbacks=3": "trainer.callbacks must be a list of callbacks",
    "data.batch_size=100000": "each of the 84 training clips 1,190 times; set it to 84 or less.",
    "select=5": "select must be last, or the name of a metric",
    "patience=3": "patience=3 needs a metric to compare epochs by; add select=val/auroc",
    "patience=0 select=val/loss": "patience must be a whole number from 1 up, got 0",
    "trainer.max_epochs=null trainer.max_steps=250": "set it to 200 or 300",
    "select=val/foo": "select=val/foo is not logged",
    "loss=[1,2]": "there is no loss=[1,2]; choose one of balanced_bce",
    "dataset=nan": "there is no dataset=nan; choose one of",
    "++schedule=1.5": "++schedule=1.5 chooses an option of a group; leave out the plus signs.",
    "data=[]": "data=[] is no value for data; python train.py --help shows",
    "++data=nan": "data holds several settings; change one, data.NAME=VALUE.",
    "name=[1]": "name must be a word",
    "continue_from={a:1}": "continue_from must be a word",
    "name=${nothing}": "the settings cannot be resolved",
}


@pytest.mark.parametrize("words", REFUSED)
def test_settings_that_cannot_be_trained_with_are_one_sentence_and_leave_no_run(tmp_path, words):
    with pytest.raises(Exception) as raised:  # noqa: PT011 Hydra may wrap it, see input_error
        run(tmp_path / "run", *words.split())
    mistake = input_error(raised.value)
    assert mistake is not None, raised.value
    assert REFUSED[words] in str(mistake)
    assert "\n" not in str(mistake)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_mistake_on_the_command_line_leaves_no_folder(tmp_path):
    result = shell(tmp_path, *QUICK, "trainer.max_steps=2")
    assert result.returncode == 2
    assert result.stderr.startswith("error: trainer.max_steps=2 ends training before")
    assert not list(tmp_path.iterdir())


def test_weights_that_change_once_an_epoch_are_warned_of(tmp_path, capsys):
    run(tmp_path, "trainer.accumulate_grad_batches=100")
    out = " ".join(capsys.readouterr().out.split())
    assert "accumulate_grad_batches=100 is more than the 6 batches of an epoch" in out


def test_the_screen_says_what_is_trained_and_what_was_kept(tmp_path, capsys):
    folder = run(tmp_path, "trainer.max_epochs=3", "select=val/loss")
    out = capsys.readouterr().out
    weights = Checkpoint.read(folder.best).weights
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    buffers += ("standardise.mean", "standardise.deviation", "standardise.is_fitted")
    buffers += ("regression.weight", "regression.bias", "regression.share")
    learnt = {n: w for n, w in weights.items() if n.startswith("classifier")}
    parameters = sum(w.numel() for name, w in learnt.items() if not name.endswith(buffers))
    assert f"att: {parameters:,} parameters, on cpu; 6 steps an epoch, epochs 0 to 2.\n" in out
    assert "Validation 12 clips, 12 with labels; test 24 clips, 24 with labels.\n" in out
    share = 1 / (1 + (84 / 100) ** 0.5)
    assert f"of 84 clips has {share:.2f} of each prediction, and the network {1 - share:.2f}" in out
    losses = [row["val/loss"] for row in read_history(folder.history)]
    best = losses.index(min(losses))
    assert f"Kept epoch {best} of 0 to 2: its val/loss is the least, {min(losses):.3f}.\n" in out
    assert json.loads(folder.metrics.read_text())["best_epoch"] == best


def test_a_batch_larger_than_the_training_clips_is_said(tmp_path, capsys):
    run(tmp_path, "data.batch_size=100")
    assert "A batch of 100 clips is larger than the 84 training clips" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "said"),
    [("random", "is within chance, 0.5"), ("prior", "All validation clips have the same scores")],
)
def test_a_run_that_has_learnt_nothing_says_so(tmp_path, capsys, start, said):
    run(tmp_path, "optimizer.lr=0.0", f"pooling.start={start}", "pooling.regression=0")
    assert said in capsys.readouterr().out
    run(tmp_path / "learnt", "optimizer.lr=0.05", "trainer.max_epochs=30")
    assert "chance" not in capsys.readouterr().out


EARLY = (
    "+trainer.callbacks=[{_target_:pytorch_lightning.callbacks.EarlyStopping,"
    "monitor:val/loss,patience:1,min_delta:100}]"
)


def test_a_callback_of_the_user_is_obeyed_and_named(tmp_path, capsys):
    folder = run(tmp_path, EARLY, "trainer.max_epochs=9")
    assert len(read_history(folder.history)) == 2  # one, and one that is no better by 100
    assert "stopped by a callback of trainer.callbacks" in capsys.readouterr().out


def test_a_summary_that_was_asked_for_is_printed(tmp_path, capsys):
    run(tmp_path, "+trainer.enable_model_summary=true")
    assert "Trainable params" in capsys.readouterr().out


@pytest.mark.slow
def test_a_larger_limit_of_time_continues_what_a_smaller_one_stopped(tmp_path, monkeypatch):
    """As a run without a limit, to the bit."""
    whole = Checkpoint.read(run(tmp_path / "whole", "trainer.max_epochs=4").last).weights

    with monkeypatch.context() as patch:
        patch.setattr(History, "on_train_batch_end", stop_in_epoch_2, raising=False)
        folder = run(tmp_path / "cut", "trainer.max_epochs=4", "+trainer.max_time=00:00:01:00")
    assert json.loads(folder.metrics.read_text())["stopped_by"] == "trainer.max_time=00:00:01:00"
    assert Checkpoint.read(folder.last).epoch == 1  # the last whole one
    run(tmp_path / "cut", "trainer.max_epochs=4", "+trainer.max_time=00:00:01:00")
    assert Checkpoint.read(folder.last).epoch == 1  # the same limit: only shown
    run(tmp_path / "cut", "trainer.max_epochs=4", "+trainer.max_time=00:10:00:00")
    assert "stopped_by" not in json.loads(folder.metrics.read_text())
    assert len(read_history(folder.history)) == 4
    continued = Checkpoint.read(folder.last).weights
    assert all(torch.equal(continued[name], whole[name]) for name in whole)


def stop_in_epoch_2(self, trainer, pl_module, outputs, batch, batch_idx):
    if trainer.current_epoch == 2 and batch_idx == 3:
        timer = next(c for c in trainer.callbacks if type(c).__name__ == "Timer")
        timer._duration = 0.0


def test_a_metric_that_validation_does_not_determine_cannot_choose_an_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.support.tiny.Tiny.load", one_sided("val"))
    with pytest.raises(InputError, match=r"AUROC cannot be computed .*choose select=val/loss"):
        run(tmp_path / "run", "select=val/auroc")
    assert not (tmp_path / "run").exists()
    assert run(tmp_path / "loss").is_complete


def one_sided(split):
    """All labels of a split are 1, so that nothing can be told apart in it."""
    load = Tiny.load

    def loaded(self):
        corpus = load(self)
        corpus.y[corpus.split == split] = 1
        return corpus

    return loaded


VALUES = ["0", "-1", "1e30", "nan", "null", "true", "[]", "[1,2]", "{a:1}", "abc", "1.5", "''"]


@pytest.mark.fuzz
def test_random_overrides_run_or_end_in_a_sentence(tmp_path, monkeypatch, say):
    """Composition, checks and a step of training; keys, kinds of overrides and values are drawn."""
    for name in ("write_results", "show_results"):
        monkeypatch.setattr(results, name, lambda *_: None)
    config = composed("train", tmp_path, *QUICK)
    keys = [str(key) for key in resolved(config)]
    for section in ("data", "trainer", "optimizer", "encoder", "finetune", "pooling"):
        keys += [f"{section}.{key}" for key in config[section] if key != "_target_"]
    drawn, unexplained, refused, tried = random.Random(0), [], 0, 100
    for number in range(tried):
        key = drawn.choice(keys)
        word = f"{drawn.choice(['', '', '', '++', '~'])}{key}"
        word += "" if word[0] == "~" else f"={drawn.choice(VALUES)}"
        folder = tmp_path / str(number)
        try:
            run(folder, "trainer.max_epochs=1", "+trainer.limit_train_batches=1", word)
        except Exception as error:  # noqa: BLE001 counted
            refused += 1
            if input_error(error) is None:
                unexplained.append(f"{word}: {type(error).__name__}: {error}"[:200])
    say(f"random overrides: {tried} tried, {refused} refused, {len(unexplained)} unexplained")
    assert not unexplained, f"{len(unexplained)} of {tried}:\n" + "\n".join(unexplained)
