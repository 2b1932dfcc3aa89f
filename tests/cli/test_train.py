"""train.py as its users meet it: what a run leaves, and what is said about a mistake."""

import json
import math

import numpy as np
import pytest
import torch

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.evaluation.metrics import macro, per_class_metrics
from musicssl.runs.checkpoint import Checkpoint, load_method
from musicssl.runs.folder import RunFolder
from musicssl.runs.history import read_history
from musicssl.seeding import StepSeed
from tests.support.arrays import arrays_in
from tests.support.commands import shell
from tests.support.opens import opens_of
from tests.support.quick import slow_after
from tests.support.tiny import Tiny
from tests.support.tiny_sound import TinySound
from tests.support.training_command import QUICK, TINY, run


@pytest.mark.pictures
def test_a_run_leaves_scores_that_its_tables_and_its_checkpoint_agree_with(tmp_path, capsys):
    folder = run(tmp_path / "run")
    saved = arrays_in(folder.path / "predictions.npz")  # loads without pickle
    scores, targets, mask = (torch.from_numpy(saved[k]) for k in ("scores", "targets", "mask"))
    document = json.loads(folder.metrics.read_text())
    expected = macro(per_class_metrics(scores, targets, mask))
    assert document["macro"] == pytest.approx(expected, nan_ok=True)
    assert saved["clip_ids"].tolist() == [f"tiny-{i:03d}" for i in range(120) if i % 10 >= 8]

    method, classes = load_method(folder.best)
    assert classes == ("a", "b", "c") == tuple(saved["classes"])
    clip = torch.from_numpy(Tiny().load().x[[8]])  # the first test clip
    again = method.scores(Batch(clip, torch.zeros(1, 3), torch.zeros(1, 3, dtype=torch.bool)))
    assert torch.allclose(again[0], scores[0], atol=1e-6)

    names = {path.name for path in folder.figures.iterdir()}
    assert {"per_class.png", "training.png"} < names
    assert sum(name.startswith("timeline_") for name in names) == 3
    assert 0 <= document["localisation"]["auroc_weighted"] <= 1
    assert "84 of 84 training clips keep labels." in capsys.readouterr().out


@pytest.mark.parametrize(("select", "best"), slow_after(1, [("val/loss", min), ("val/auroc", max)]))
def test_the_epoch_that_is_kept_is_the_best_by_what_was_asked_for(tmp_path, select, best):
    folder = run(tmp_path, f"select={select}", "trainer.max_epochs=6", "optimizer.lr=0.1")
    rows = read_history(folder.history)
    kept = json.loads(folder.metrics.read_text())["best_epoch"]
    assert rows[kept][select] == best(row[select] for row in rows)
    assert torch.load(folder.best, weights_only=True)["epoch"] == kept


def test_a_metric_to_select_by_that_is_not_logged_is_named(tmp_path):
    with pytest.raises(InputError, match="select=val/rocauc is not logged; choose val/loss, val/"):
        run(tmp_path, "select=val/rocauc")


@pytest.mark.parametrize(
    "pooling", slow_after(2, ["auto", "attention", "mean", "max", "gated_attention"])
)
@pytest.mark.parametrize("lengths", slow_after(1, ["true", "false"]))
def test_every_pooling_reports_localisation(tmp_path, pooling, lengths):
    folder = run(tmp_path, f"pooling={pooling}", f"dataset.variable_lengths={lengths}")
    values = json.loads(folder.metrics.read_text())["localisation"]
    assert all(0 <= value <= 1 for value in values.values())
    if pooling == "mean" and lengths == "false":  # equal weights change no ranking
        assert values["auroc_weighted"] == pytest.approx(values["auroc_instance"])


def test_a_random_forest_learns_the_tiny_corpus(tmp_path):
    folder = run(tmp_path, "method=random_forest", "dataset.num_clips=400", "method.num_workers=1")
    document = json.loads(folder.metrics.read_text())
    assert document["macro"]["auroc"] > 0.9
    assert document["localisation"] is None


@pytest.mark.slow
def test_att_learns_the_tiny_corpus(tmp_path):
    settings = ("trainer.max_epochs=60", "optimizer.lr=0.01", "encoder.dropout=0.1")
    folder = run(tmp_path, *settings, "dataset.num_clips=400")
    document = json.loads(folder.metrics.read_text())
    assert document["macro"]["auroc"] > 0.9
    assert document["localisation"]["auroc_within_instance"] > 0.8


SOUND = (
    "dataset=tiny_sound",
    "encoder=samplecnn",
    "features.sample_rate=800",
    "encoder.chunk_samples=729",
    "encoder.num_blocks=5",
    "encoder.width=16",
    "data.crop_seconds=2.0",
)


def test_methods_read_sound(tmp_path):
    folder = run(tmp_path / "att", *SOUND)
    corpus = TinySound(variable_lengths=True).load()
    saved = arrays_in(folder.path / "predictions.npz")
    assert saved["clip_ids"].tolist() == corpus.clip_ids[corpus.split == "test"].tolist()

    method, _ = load_method(folder.best)
    row = int(np.flatnonzero(corpus.split == "test")[0])
    clip = torch.from_numpy(corpus.x.recordings[row])[None]
    again = method.scores(Batch(clip, torch.zeros(1, 3), torch.zeros(1, 3, dtype=torch.bool)))
    assert torch.allclose(again[0], torch.from_numpy(saved["scores"][0]), atol=1e-5)


def test_methods_that_compare_views_read_sound_too(tmp_path):
    folder = run(tmp_path / "mt", *SOUND, "method=mean_teacher", "views=sound", "data.b_s=0.5")
    assert folder.is_complete


def test_instances_are_no_sound_and_sound_is_no_instances(tmp_path):
    with pytest.raises(InputError, match="encoder=samplecnn reads sound"):
        run(tmp_path / "a", "encoder=samplecnn")
    with pytest.raises(InputError, match="the encoder reads instances, but the data are sound"):
        run(tmp_path / "c", "dataset=tiny_sound", "features=waveform")
    with pytest.raises(InputError, match="views=sound are of sound"):
        run(tmp_path / "b", *SOUND, "method=mean_teacher", "views=weak")


@pytest.mark.slow
def test_unlabelled_clips_may_come_from_another_corpus(tmp_path):
    other = ("unlabelled=tiny", "unlabelled.num_clips=40", "unlabelled.seed=7")
    folder = run(tmp_path / "run", "method=mean_teacher", *other)
    assert json.loads(folder.metrics.read_text())["labels"]["train"] == 84


def test_an_encoder_without_instances_is_not_asked_when(tmp_path):
    folder = run(tmp_path, "encoder=fc", "pooling=mean")
    assert json.loads(folder.metrics.read_text())["localisation"] is None
    assert not list(folder.figures.glob("timeline_*"))


def test_fine_tuning_the_last_layer_leaves_the_encoder_as_it_was(tmp_path):
    base = run(tmp_path / "base")
    tuned = run(
        tmp_path / "tuned",
        "loss=balanced_bce",
        f"finetune.checkpoint={base.best}",
        "finetune.frozen=[encoder]",
    )
    before, after = (torch.load(f.last, weights_only=True)["state_dict"] for f in (base, tuned))
    best = torch.load(base.best, weights_only=True)["state_dict"]
    for name in before:
        if name.startswith("classifier.encoder."):
            assert torch.equal(after[name], best[name]), name  # buffers of batch norms included
    assert not torch.equal(
        after["classifier.pooling.classifier.weight"], best["classifier.pooling.classifier.weight"]
    )


def test_the_same_folder_with_other_settings_is_refused_and_left_whole(tmp_path):
    folder = run(tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(InputError, match=r"encoder.dropout: 0.3 there, 0.2 here.*overwrite=true"):
        run(tmp_path, "encoder.dropout=0.2")
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    run(tmp_path, "encoder.dropout=0.2", "overwrite=true")
    assert "dropout: 0.2" in folder.config.read_text()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.p_s=10", r"data.p_s must be in \[0, 1\], got 10 \(did you mean 0.10\?\)"),
        ("data.b_s=0.01", "rounds to no labelled clip"),
        ("data.p_s=0", "leaves no labelled clip"),
        ("data.p_cells=0", "data.p_cells"),
        ("finetune.checkpoint=nowhere.ckpt", "there is no checkpoint nowhere.ckpt"),
        ("dataset=audio_folder", "dataset=audio_folder is read from files; type data.root"),
        ("finetune.frozen=[encoder]", "finetune.frozen needs trained weights; type"),
    ],
)
def test_a_mistake_is_named_and_leaves_no_run(tmp_path, override, message):
    with pytest.raises(Exception, match=message):  # Hydra may wrap it, see user_errors
        run(tmp_path / "run", override)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_mistake_on_the_command_line_is_one_line_and_status_2(tmp_path):
    result = shell(tmp_path, *TINY, "data.p_s=10")
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        "error: data.p_s must be in [0, 1], got 10 (did you mean 0.10?)."
    ]


@pytest.mark.slow
def test_a_method_without_a_network_that_is_given_one_is_one_line_too(tmp_path):
    result = shell(tmp_path, *TINY, "method=random_forest", "finetune.checkpoint=x")
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        "error: there is no checkpoint x; runs keep theirs in checkpoints/best.ckpt."
    ]
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_mistake_in_a_constructor_is_one_line_too(tmp_path):
    """Hydra wraps what is raised while it builds an object."""
    result = shell(tmp_path, *TINY, "data.b_s=7")
    assert result.returncode == 2
    assert result.stderr.startswith("error: data.b_s must be in [0, 1], got 7")


@pytest.mark.slow
def test_an_unknown_override_is_named(tmp_path):
    result = shell(tmp_path, *TINY, "encoder.droput=0.3")
    assert result.returncode == 2
    assert result.stderr == (
        "error: there is no setting encoder.droput; did you mean encoder.dropout?\n"
    )


@pytest.mark.slow
def test_a_sweep_gives_every_job_the_folder_of_its_settings(tmp_path):
    result = shell(tmp_path, "-m", *QUICK, "seed=0,1", "data.p_s=0.1,0.5", "threads=1")
    assert result.returncode == 0, result.stderr
    found = {p.parent.name for p in tmp_path.rglob("metrics.json")}
    assert found == {f"p{p_s}_b1.0_s{seed}" for p_s in (0.1, 0.5) for seed in (0, 1)}


def test_no_threads_are_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"^threads must be a whole number from 1 up, or null, got 0"
    ):
        run(tmp_path / "run", "threads=0")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_value_that_a_part_refuses_is_named_and_leaves_no_run(tmp_path):
    result = shell(tmp_path, *TINY, "encoder.dropout=2")
    assert result.returncode == 2
    assert result.stderr.startswith("error: dropout probability has to be between 0 and 1")
    assert "method" in result.stderr
    assert not list(tmp_path.rglob("config.yaml"))


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to train on")
def test_a_missing_gpu_is_one_line_and_leaves_no_run(tmp_path):
    result = shell(tmp_path, *TINY, "trainer=gpu")
    assert result.returncode == 2
    assert "error: " in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.rglob("config.yaml"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optimizer.lr=abc"], "optimizer.lr must be a number such as 0.001, got abc."),
        (
            ["optimizer.lr=[0.1,0.2]"],
            "optimizer.lr must be a number such as 0.001, got [0.1, 0.2].",
        ),
        (["optimizer.lr=true"], "optimizer.lr must be a number such as 0.001, got True."),
        (["optimizer.lr=${name}"], "optimizer.lr must be a number such as 0.001, got att."),
        (["data.stratified=maybe"], "data.stratified must be true or false, got maybe."),
        (
            ["method=mean_teacher", "method.consistency_weight=abc"],
            "method.consistency_weight must be a number such as 3, got abc.",
        ),
        (
            ["method=mean_teacher", "method.ramp.epochs=abc"],
            "method.ramp.epochs must be a number such as 3, got abc.",
        ),
        (["teacher.decay=none"], "teacher.decay must be a number such as 0.99, got none."),
    ],
)
def test_a_value_of_another_kind_is_named_and_leaves_no_run(tmp_path, overrides, message):
    with pytest.raises(InputError) as raised:
        run(tmp_path / "run", *overrides)
    assert str(raised.value) == message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "override", slow_after(1, ["optimizer.lr=1", "trainer.devices=auto", "data.b_s=null"])
)
def test_a_value_that_is_as_good_as_the_default_is_taken(tmp_path, override):
    assert run(tmp_path, override).is_complete


@pytest.mark.parametrize("loss", slow_after(1, [float("nan"), float("inf")]))
def test_a_run_that_diverged_is_never_complete(tmp_path, monkeypatch, loss):
    """One bad epoch, after which all is well again."""

    def log_once(callback, trainer, pl_module):
        trainer.callback_metrics["train/loss"].fill_(loss if trainer.current_epoch == 1 else 0.5)

    monkeypatch.setattr(StepSeed, "on_train_epoch_end", log_once)
    for _ in range(2):  # the second finds it trained to the end
        with pytest.raises(InputError, match=f"the loss was {loss} in epoch 1; try a smaller"):
            run(tmp_path, "trainer.max_epochs=3")
        assert not RunFolder(tmp_path).is_complete


@pytest.mark.slow
def test_a_folder_keeps_the_brackets_of_its_name_on_screen(tmp_path, capsys):
    folder = run(tmp_path / "frozen-[encoder]")
    assert f"checkpoints: {folder.path}\n" in capsys.readouterr().out


def test_undefined_localisation_is_said_to_be_undefined(tmp_path, capsys):
    """Clips of one instance: no class both sounds and rests in one."""
    folder = run(tmp_path, "dataset.num_instances=1")
    assert "within a clip undefined and undefined" in " ".join(capsys.readouterr().out.split())
    run(tmp_path, "dataset.num_instances=1")
    assert "undefined" in capsys.readouterr().out
    assert json.loads(folder.metrics.read_text())["localisation"]["auroc_within_instance"] is None


def test_a_checkpoint_is_opened_once_to_be_fine_tuned(tmp_path, monkeypatch):
    first = run(tmp_path / "first", "trainer.max_epochs=1")
    opened = opens_of(first.best, monkeypatch)
    run(tmp_path / "tuned", f"finetune.checkpoint={first.best}", "trainer.max_epochs=1")
    assert len(opened) == 1


NO_EPOCH = "no epoch was trained and validated|ends training before an epoch is validated"


@pytest.mark.parametrize(
    "limits",
    [
        ["trainer.max_steps=2"],
        ["trainer.max_steps=2", "method=supervised"],
        ["+trainer.max_time='00:00:00:00'"],
    ],
)
def test_training_that_stops_before_its_first_validation_is_one_sentence(tmp_path, limits):
    with pytest.raises(InputError, match=NO_EPOCH):
        run(tmp_path / "run", *limits)
    assert not (tmp_path / "run").exists()


def test_training_that_stops_within_a_later_epoch_ends_with_the_best_epoch_before(tmp_path, capsys):
    folder = run(tmp_path, "trainer.max_steps=8")  # an epoch has 6
    assert "Training was stopped by trainer.max_steps=8 before its last" in capsys.readouterr().out
    first, second = read_history(folder.history)
    assert math.isfinite(first["val/loss"])
    assert math.isfinite(second["train/loss"])
    assert math.isnan(second["val/loss"])  # it was not validated
    assert json.loads(folder.metrics.read_text())["best_epoch"] == 0


@pytest.mark.slow
def test_a_method_without_a_network_cannot_start_from_a_checkpoint(tmp_path):
    checkpoint = run(tmp_path / "att").best
    with pytest.raises(InputError, match="random_forest has no network to start from a checkpoint"):
        run(tmp_path / "forest", "method=random_forest", f"finetune.checkpoint={checkpoint}")
    assert not (tmp_path / "forest").exists()


def test_fine_tuning_starts_from_the_network_that_a_checkpoint_says_predicts(tmp_path):
    teacher = run(tmp_path / "teacher", "method=mean_teacher", "trainer.max_epochs=1")
    assert Checkpoint.read(teacher.best).network == "teacher.average"
    still = ("optimizer.lr=0.0", "trainer.max_epochs=1", f"finetune.checkpoint={teacher.best}")
    tuned = Checkpoint.read(run(tmp_path / "tuned", *still).best).weights
    for name, value in Checkpoint.read(teacher.best).weights.items():
        if name.startswith("teacher.average.") and "running" not in name and "num_b" not in name:
            assert torch.equal(tuned[name.replace("teacher.average.", "classifier.")], value), name
