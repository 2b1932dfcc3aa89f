"""Fine-tuning as its users type it: other classes, exported models, LoRA to the end of its use."""

import csv

import numpy as np
import pytest
import torch

import musicssl
from musicssl.cli.export import main as export
from musicssl.cli.predict import main as predict
from musicssl.errors import InputError
from musicssl.runs.checkpoint import Checkpoint, load_method
from tests.support import probing_command
from tests.support.tone_folder import INSTANCES, train_on, write_folder
from tests.support.training_command import run

ONE_EPOCH = "trainer.max_epochs=1"
STILL = ("optimizer.lr=0.0", ONE_EPOCH)
QUIET = ("baselines=false", "embedding_map=null", ONE_EPOCH)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A run on the classes a, b and c."""
    return run(tmp_path_factory.mktemp("theirs"), ONE_EPOCH)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def on_sound(recordings, tmp_path_factory):
    """A run on recordings."""
    return train_on(recordings, tmp_path_factory.mktemp("run"), *INSTANCES, *QUIET)


def weights(folder):
    return Checkpoint.read(folder.best).weights


def test_other_classes_start_from_the_encoder_and_the_classes_that_both_have(
    theirs, tmp_path, capsys
):
    start = f"finetune.checkpoint={theirs.best}"
    ours = run(tmp_path, "dataset.num_classes=5", *STILL, start, "finetune.frozen=[encoder]")
    shown = capsys.readouterr().out
    assert (
        f"Starting from {theirs.best}: the encoder is loaded, pooling.attention, "
        "pooling.classifier and pooling.statistics.classifier for a, b, c; new: pooling.attention, "
        "pooling.classifier and pooling.statistics.classifier for d, e."
    ) in shown
    assert "Frozen: encoder." in shown
    before, after = weights(theirs), weights(ours)
    for name, value in before.items():
        if name.startswith("classifier.encoder."):
            assert torch.equal(after[name], value), name
    for name in ("classifier", "attention"):
        for part in ("weight", "bias"):
            key = f"classifier.pooling.{name}.{part}"
            assert torch.equal(after[key][:3], before[key])
    key = "classifier.pooling.statistics.classifier.weight"
    assert torch.equal(after[key][:3], before[key])
    assert before[key].any()
    x = torch.rand(4, 5, 8)
    embedded = [load_method(f.best)[0].classifier.encoder(x)[0] for f in (theirs, ours)]
    assert torch.equal(*embedded)


@pytest.mark.slow
def test_a_self_supervised_encoder_starts_a_classifier_with_another_pooling(tmp_path, capsys):
    chosen = ("method=simclr", "encoder=att", "features=log_mel", "views=weak", "data.num_crops=2")
    small = ("projector.hidden=8", "projector.out_dim=4", "data.crop_seconds=null")
    theirs = run(tmp_path / "simclr", *chosen, *small, ONE_EPOCH)
    capsys.readouterr()
    start = f"finetune.checkpoint={theirs.path}"  # the folder of the run
    run(tmp_path / "att", "dataset.num_classes=2", *STILL, start)
    assert (
        "the encoder is loaded, pooling.classifier for a, b; new: pooling.attention and "
        "pooling.statistics.classifier." in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["encoder=gru"], "trained with encoder=att, and this run has encoder=gru; add encoder=a"),
        (["encoder.num_layers=2"], r"add encoder\.num_layers=3"),
        (["dataset.num_features=9"], "trained on 8 features of an instance, and this corpus has 9"),
        (["method=random_forest"], "has no network to start from"),
    ],
)
def test_networks_that_do_not_fit_are_refused_and_leave_no_run(theirs, tmp_path, words, message):
    with pytest.raises(InputError, match=message):
        run(tmp_path / "run", *words, f"finetune.checkpoint={theirs.best}")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["finetune.lora=4"], r"finetune\.lora needs trained weights; type finetune\.checkpoint"),
        (["finetune.layer_decay=0.7"], r"finetune\.layer_decay needs trained weights"),
        (["finetune.layer_decay=7"], "above 0 and at most 1"),
        (["finetune.frozen=[encoder]", "finetune.unfreeze_epoch=9", "START"], "leaves none of 2"),
        (["finetune.lora=99", "START"], "more than 8, the width of a layer"),
        (["encoder=gru", "finetune.lora=4", "START"], "add encoder=att"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_no_run(theirs, tmp_path, words, message):
    start = f"finetune.checkpoint={theirs.best}"
    with pytest.raises(InputError, match=message):
        run(tmp_path / "run", *(start if word == "START" else word for word in words))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_exported_model_is_a_start_as_well(on_sound, recordings, tmp_path, capsys):
    export([str(on_sound.best), str(tmp_path / "model")])
    starts = [f"finetune.checkpoint={path}" for path in (on_sound.best, tmp_path / "model")]
    chosen = (*INSTANCES, *QUIET, "dataset.classes=[low,high]")
    runs = [
        train_on(recordings, tmp_path / str(number), *chosen, start)
        for number, start in enumerate(starts)
    ]
    for name, value in weights(runs[0]).items():
        assert torch.equal(weights(runs[1])[name], value), name
    train_on(recordings, tmp_path / "1", *chosen, starts[1])
    assert "This run is complete" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"add features\.sample_rate=8000"):
        train_on(recordings, tmp_path / "2", *chosen, starts[1], "features.sample_rate=4000")


@pytest.mark.slow
def test_a_run_with_lora_is_used_like_any_other(on_sound, recordings, tmp_path, capsys):
    """Oracle: what the run itself predicted of its test clips."""
    lora = ("finetune.lora=2", "finetune.lora_alpha=8", "optimizer.lr=0.1")
    start = f"finetune.checkpoint={on_sound.best}"
    tuned = train_on(recordings, tmp_path / "run", *INSTANCES, *QUIET, *lora, start)
    assert "LoRA of rank 2 trains" in capsys.readouterr().out
    before, after = weights(on_sound), weights(tuned)
    assert after.keys() == before.keys()  # a plain network
    key = "classifier.encoder.layers.1.weight"
    kept = torch.load(tuned.best, weights_only=True)["lora"]
    factors = "classifier.encoder.layers.1.parametrizations.weight"
    product = kept[f"{factors}.0.b"] @ kept[f"{factors}.0.a"]
    assert product.abs().sum() > 0
    torch.testing.assert_close(after[key], before[key] + 8 / 2 * product)
    assert torch.equal(kept[f"{factors}.original"], before[key])

    export([str(tuned.best), str(tmp_path / "model")])
    network, exported = (musicssl.load(path) for path in (tuned.best, tmp_path / "model"))
    predict([str(tuned.best), str(recordings), "--out", str(tmp_path / "t.csv")])
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    with np.load(tuned.predictions) as test:
        for clip, scores in zip(test["clip_ids"], test["scores"], strict=True):
            row = rows[str(recordings / clip)]
            found = [float(row[name]) for name in network.classes]
            assert found == pytest.approx(scores, abs=2e-6)
            assert exported.predict(recordings / clip).scores == pytest.approx(scores, abs=2e-6)

    probed = probing_command.run(
        tmp_path / "probe",
        f"checkpoint={tuned.best}",
        *("dataset=audio_folder", f"data.root={recordings}", "dataset.num_workers=1"),
    )
    assert probed.is_complete
