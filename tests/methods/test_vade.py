"""Oracles: scikit-learn's mixture, loops over clips, and a run that nobody disturbed."""

import csv
import json
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException
from sklearn.mixture import GaussianMixture
from torch.distributions import Normal
from torch.nn.functional import nll_loss

from musicssl.evaluation.clustering import cluster_accuracy
from musicssl.losses.likelihoods import FixedGaussian
from musicssl.methods.generative.mixture import fit_mixture
from musicssl.methods.m1 import M1
from musicssl.runs.checkpoint import load_method
from musicssl.runs.checkpoint_writing import AtomicCheckpointIO, DescribeCheckpoint
from musicssl.runs.history import History, read_history
from musicssl.runs.resume import BestCheckpoint, ResumeCheckpoint
from musicssl.seeding import StepSeed
from tests.support.arrays import arrays_in
from tests.support.interrupted import Stop
from tests.support.kinds import OneClass
from tests.support.quick import slow_after
from tests.support.training import m1_parts
from tests.support.training_command import run
from tests.support.vade_training import data, method, recording, trained

STILL = partial(torch.optim.SGD, lr=0.0)


class AsTheyAre(FixedGaussian):
    standardised = False


# Two phases


def test_pretraining_reconstructs_from_means_and_leaves_the_mixture_alone(tmp_path, monkeypatch):
    subject, clips = method(), data()
    trained(tmp_path, subject, clips)
    recorded = recording(subject, monkeypatch, pretraining=True)
    subject.zero_grad()
    batch = next(iter(clips.batches("train")))
    loss = subject.training_step(batch, 0)
    x = subject.encoder.summary.of(batch)
    mean = subject.encoder.posterior(x).mean
    torch.testing.assert_close(loss, subject.decoder.negative_log(mean, x).mean())
    torch.testing.assert_close(recorded, {"loss": loss, "reconstruction": loss})
    loss.backward()
    assert all(values.grad.any() for values in subject.decoder.parameters())
    assert all(values.grad is None for values in subject.mixture.parameters())
    assert not subject.encoder.layers[-1].bias.grad[4:].any()  # of logarithms of variances


def test_on_several_devices_the_mixture_rests_in_pretraining_all_the_same(tmp_path):
    subject, clips = method(), data()
    trainer = trained(tmp_path, subject, clips)
    batch = next(iter(clips.train_dataloader()))
    for epoch in (0, 1):
        subject.trainer = SimpleNamespace(world_size=2, current_epoch=epoch, datamodule=clips)
        subject.zero_grad()
        subject.train().training_step(batch, 0).backward()
        trained_ones = {name: p for name, p in subject.named_parameters() if p.requires_grad}
        assert all(parameter.grad is not None for parameter in trained_ones.values())
        subject.on_before_optimizer_step(trainer.optimizers[0])
        resting = {name for name, parameter in trained_ones.items() if parameter.grad is None}
        mixture = {f"mixture.{name}" for name in ("logits", "means", "log_variances")}
        assert resting == (mixture if epoch == 0 else set())


def test_the_mixture_is_fitted_once_when_pretraining_is_over(tmp_path, monkeypatch):
    epochs = []

    def fit(*args):
        epochs.append(subject.current_epoch)
        return fit_mixture(*args)

    monkeypatch.setattr("musicssl.methods.vade.fit_mixture", fit)
    subject = method(pretrain_epochs=2)
    trained(tmp_path, subject, data(), 5)
    assert epochs == [2]


def test_the_mixture_starts_as_that_of_scikit_learn_and_answers_like_it(tmp_path):
    subject, clips = method(optimizer=STILL), data()
    metrics = trained(tmp_path, subject, clips).callback_metrics
    subject.eval()
    train, val = (subject.probe.embedded(clips.batches(split)) for split in ("train", "val"))
    theirs = GaussianMixture(
        *(3,),
        covariance_type="diag",
        reg_covar=1e-3,
        n_init=10,
        init_params="k-means++",
        random_state=0,
    ).fit(train.h.double().numpy())
    np.testing.assert_allclose(subject.mixture.means.detach(), theirs.means_, atol=1e-5)
    np.testing.assert_allclose(subject.mixture().log_weights.exp().detach(), theirs.weights_, 1e-5)
    expected = cluster_accuracy(theirs.predict(val.h.double().numpy()), val.y.argmax(1).numpy())
    assert metrics["val/cluster_accuracy"] == pytest.approx(expected)


def test_before_it_the_mixture_is_a_standard_gaussian_and_the_bound_that_of_m1(tmp_path):
    subject = method()
    plain = M1(**m1_parts(task="multi_class"))
    plain.load_state_dict(subject.state_dict(), strict=False)
    x = torch.randn(20, subject.encoder.summary.dim, generator=torch.Generator().manual_seed(0))
    bounds = []
    for one in (subject, plain):
        torch.manual_seed(1)
        bounds.append(one.bound(x))
    for part, other in zip(*bounds, strict=True):
        torch.testing.assert_close(part, other)


@pytest.mark.slow
def test_no_epoch_of_pretraining_is_kept(tmp_path):
    """In epochs that are all alike the first one that may be kept is kept."""
    still = ("optimizer._target_=torch.optim.SGD", "~optimizer.fused", "optimizer.lr=0")
    folder = command(
        tmp_path,
        *still,
        "trainer.max_epochs=4",
        "method.pretrain_epochs=2",
        "select=val/active_units",
    )
    assert json.loads(folder.metrics.read_text())["best_epoch"] == 2


# Answers


def test_with_labels_components_are_classes_and_decide(tmp_path):
    as_they_are = AsTheyAre(std=0.1)  # scaled alike, noise would be as loud as what tells classes
    subject = method(b_s=0.5, pretrain_epochs=6, summary="mean", likelihood=as_they_are)
    clips = data(OneClass(num_clips=300), b_s=0.5, p_s=0.1, stratified=True)
    metrics = trained(tmp_path, subject, clips, 10).callback_metrics
    subject.eval()
    val = subject.probe.embedded(clips.batches("val"))
    mixture = subject.mixture()
    scales = (0.5 * mixture.log_variances).exp()
    densities = Normal(mixture.means, scales).log_prob(val.h[:, None]).sum(dim=2)  # (N, K)
    log_gamma = (mixture.log_weights + densities).log_softmax(dim=1)
    scores = torch.cat([subject.scores(batch) for batch in clips.batches("val")])
    torch.testing.assert_close(scores, log_gamma.exp())
    right = (log_gamma.argmax(1) == val.y.argmax(1)).double().mean().item()
    assert metrics["val/accuracy"] == pytest.approx(right)
    assert right > 0.95
    assert metrics["val/cluster_accuracy"] == pytest.approx(right)
    loss = nll_loss(log_gamma, val.y.argmax(1)).item()
    assert metrics["val/loss"] == pytest.approx(loss, rel=1e-4)
    batch = next(iter(clips.batches("val")))
    logits, log_weights = subject.instances(batch)
    torch.testing.assert_close(logits[:, 0], subject(batch))
    assert not log_weights.any()
    assert not subject.conclude(clips)


def test_the_start_of_each_component_is_its_class(tmp_path):
    subject, clips = method(b_s=0.5, optimizer=STILL), data(b_s=0.5, p_s=0.2, stratified=True)
    trained(tmp_path, subject, clips)
    subject.eval()
    train = subject.probe.embedded(clips.batches("train"))
    classes = train.y.argmax(1).where(train.mask.all(1), -1)
    assert (classes >= 0).sum() == len(clips.labelled()) == 17
    for mine, expected in zip(subject.mixture(), fit_mixture(train.h, 3, 0, classes), strict=True):
        torch.testing.assert_close(mine, expected)


def test_without_labels_a_probe_decides(tmp_path):
    subject, clips = method(), data()
    trained(tmp_path, subject, clips)
    assert subject.conclude(clips)
    batch = next(iter(clips.batches("val")))
    torch.testing.assert_close(subject(batch), subject.classifier(batch))
    assert subject.instances(batch).logits.shape == (len(batch.x), 1, 3)


# Resuming


def fit(folder, b_s, place=None):
    """Train three epochs, two of them after pretraining; be stopped somewhere in the second."""
    clips = data(b_s=b_s, p_s=0.5, batch_size=16)
    clips.setup()
    subject, last = method(b_s=b_s), folder / "last.ckpt"
    callbacks = [
        *(StepSeed(0), History(folder / "history.csv"), Stop(place)),
        DescribeCheckpoint({}, clips.corpus.classes, clips.sizes),
        *(BestCheckpoint(folder / "best.ckpt"), ResumeCheckpoint(last)),
    ]
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=3,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
    )
    trainer.fit(subject, clips, ckpt_path=last if last.is_file() else None, weights_only=True)
    return subject.state_dict(), [
        float(r["train/loss"]) for r in read_history(folder / "history.csv")
    ]


@pytest.mark.parametrize("b_s", slow_after(1, [0.5, 0]))
@pytest.mark.parametrize("place", slow_after(2, ["validation", "step 3", "step 0"]))
def test_a_signal_in_the_epoch_that_starts_the_mixture_costs_nothing(tmp_path, place, b_s):
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    expected, losses = fit(tmp_path / "whole", b_s)
    with pytest.raises(SIGTERMException):
        fit(tmp_path / "stopped", b_s, place)
    last = torch.load(tmp_path / "stopped" / "last.ckpt", weights_only=True)
    assert last["state_dict"]["initialised"] == place.startswith("step")
    found, resumed = fit(tmp_path / "stopped", b_s)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
    assert (resumed[0], resumed[2]) == (losses[0], losses[2])


# From the command line


def command(tmp_path, *overrides):
    one_class = "dataset._target_=tests.support.kinds.OneClass"
    small = ("method=vade", "method.hidden=[16,12]", "method.latent_dim=4")
    return run(tmp_path / "run", *small, "method.pretrain_epochs=1", one_class, *overrides)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [(), ("data.b_s=0.5", "data.p_s=0.5"), ("data.b_s=null", "+dataset.unlabelled=30")]
)
def test_a_run_leaves_clusters_and_a_checkpoint_that_answers_alike(tmp_path, settings, capsys):
    folder = command(tmp_path, *settings)
    subject, _ = load_method(folder.best)
    assert subject.semi_supervised == bool(settings)
    assert subject.initialised
    clips = data(OneClass(unlabelled=30 if "+dataset.unlabelled=30" in settings else 0))
    clips.setup()
    with torch.no_grad():
        found = torch.cat([subject.scores(batch) for batch in clips.batches("test")])
    saved = arrays_in(folder.path / "predictions.npz")["scores"]
    np.testing.assert_allclose(found, saved, atol=1e-5)
    test = subject.probe.embedded(clips.batches("test"))
    clusters = subject.log_clusters(test.h).argmax(1).numpy()
    known = test.mask.all(1).numpy()
    expected = cluster_accuracy(clusters[known], test.y.argmax(1).numpy()[known])
    document = json.loads(folder.metrics.read_text())
    assert document["clusters"]["accuracy"] == pytest.approx(expected)
    assert f"accuracy {expected:.3f}, with clusters matched" in capsys.readouterr().out
    assert (folder.figures / "clusters.png").is_file()
    with folder.clusters.open() as file:
        sizes = {int(row["cluster"]): int(row["clips"]) for row in csv.DictReader(file)}
    assert list(sizes.values()) == np.bincount(clusters, minlength=3).tolist()


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        ("dataset._target_=tests.support.tiny.Tiny", "method.num_components=5"),
        ("dataset._target_=tests.support.kinds.Values",),
    ],
)
def test_other_kinds_of_targets_are_clustered_without_labels(tmp_path, settings):
    folder = command(tmp_path, *settings)
    document = json.loads(folder.metrics.read_text())
    assert document["clusters"] is None
    of_labels = "Tiny" in settings[0]
    assert folder.clusters.is_file() == of_labels
    with folder.config.open():
        assert "val/cluster_accuracy" not in read_history(folder.history)[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    slow_after(
        2,
        [
            (
                ("dataset._target_=tests.support.tiny.Tiny", "data.b_s=0.5"),
                "each component of method=vade is a class, .* data.b_s=0, or choose method=dgm",
            ),
            (
                ("data.b_s=0.5", "method.num_components=4"),
                "num_components=4, but with labels each of the 3 classes",
            ),
            (
                ("method.pretrain_epochs=2",),
                "pretrain_epochs=2 leaves none of the trainer.max_epochs=2",
            ),
            (("method.b_s=0.5",), "set data.b_s only"),
            (
                ("data.b_s=0.5", "data.p_s=0.012"),
                "there is none of ., .; set data.stratified=true, raise data.p_s, or set "
                "data.b_s=0",
            ),
            (("method.num_components=0",), "num_components must be 1 or more, got 0"),
            (("method.num_components=85",), "num_components=85 is more than the 84 training clips"),
            (("method.pretrain_epochs=-1",), "pretrain_epochs must be 0 or more, got -1"),
            (("method.classification_weight=-1",), "classification_weight must be 0 or more"),
        ],
    ),
)
def test_what_cannot_be_is_refused(tmp_path, settings, message):
    with pytest.raises(Exception, match=message):  # Hydra may wrap it
        command(tmp_path, *settings)
    assert not (tmp_path / "run" / "history.csv").exists()


def test_the_network_predicts_alone_where_the_mixture_does_not():
    assert method(b_s=0).predicts_by_network
    assert not method(b_s=0.5).predicts_by_network
