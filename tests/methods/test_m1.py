"""Oracles: torch.distributions, numpy over the training clips, and clips one by one."""

import json
import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.losses.likelihoods import Bernoulli, FixedGaussian
from musicssl.methods.generative.vae import Bound
from musicssl.methods.m1 import M1
from musicssl.runs.checkpoint import load_method
from tests.support.arrays import arrays_in
from tests.support.kinds import OneClass
from tests.support.tiny import Tiny
from tests.support.training import m1_parts, quiet_trainer
from tests.support.training_command import run

STILL = partial(torch.optim.SGD, lr=0.0)


def method(**changes):
    torch.manual_seed(0)
    return M1(**m1_parts(**changes))


def data(corpus=Tiny(variable_lengths=True), **settings):  # noqa: B008
    return SemiSupervisedDataModule(corpus, **({"batch_size": 28, "b_s": 0} | settings))


def trained(folder, subject, clips, **settings):
    trainer = quiet_trainer(folder, num_sanity_val_steps=0, **settings)
    trainer.fit(subject, clips)
    return trainer


def certain(subject):
    """Let q(z|x) vary by next to nothing, so that a sample is its mean."""
    with torch.no_grad():
        last = subject.encoder.layers[-1]
        last.weight[subject.encoder.embed_dim :] = 0
        last.bias[subject.encoder.embed_dim :] = -30
    return subject


def test_the_loss_is_the_negative_bound_of_a_clip(tmp_path):
    subject, clips = method(optimizer=STILL), data()
    trained(tmp_path, subject, clips)
    recorded = {}
    subject.record = recorded.update
    batch = next(iter(clips.train_dataloader()))
    torch.manual_seed(1)
    loss = subject.training_step(batch, 0)
    torch.manual_seed(1)
    x = subject.encoder.summary.of(batch)
    mean, log_variance = subject.encoder.layers(x).chunk(2, dim=1)
    q = Normal(mean, (0.5 * log_variance).exp())
    z = mean + q.scale * torch.randn(28, 4)
    kl = kl_divergence(q, Normal(0.0, 1.0)).sum(1).mean()
    reconstruction = -Normal(subject.decoder(z), 1.0).log_prob(x).sum(1).mean()
    torch.testing.assert_close(loss, reconstruction + kl)
    expected = {"loss": loss, "reconstruction": reconstruction, "kl": kl}
    torch.testing.assert_close(recorded, expected)


def test_a_clip_is_embedded_by_the_mean_of_what_is_said_of_it():
    subject, clips = method(), data()
    clips.setup()
    batch = next(iter(clips.batches("val")))
    x = subject.encoder.summary.of(batch)
    expected = subject.encoder.layers(x)[:, :4]
    torch.testing.assert_close(subject.classifier.clip_embeddings(batch), expected)


def test_features_are_scaled_by_all_training_clips_and_no_other(tmp_path):
    subject, clips = method(summary="mean", optimizer=STILL), data(Tiny(), p_s=0.5)
    trained(tmp_path, subject, clips)
    x = Tiny().load().x[clips.rows("train")].mean(axis=1)
    np.testing.assert_allclose(subject.encoder.summary.shift, x.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(subject.encoder.summary.scale, x.std(axis=0), rtol=1e-4)


@pytest.mark.parametrize("settings", [{"optimizer": STILL}, {}])
def test_validation_bounds_every_clip_once_and_counts_the_dimensions_in_use(tmp_path, settings):
    subject, clips = certain(method(**settings)), data(batch_size=5)  # 12 clips validate
    with torch.no_grad():
        subject.encoder.layers[-1].weight[1] = 0
    metrics = trained(tmp_path, subject, clips, max_epochs=2).callback_metrics
    bounds, means = [], []
    for row in clips.rows("val"):
        x = subject.encoder.summary.of(next(iter(clips.batches_of(np.array([row])))))
        mean, log_variance = subject.encoder.layers(x).chunk(2, dim=1)
        q = Normal(mean, (0.5 * log_variance).exp())
        kl = kl_divergence(q, Normal(0.0, 1.0)).sum()
        bounds.append(kl - Normal(subject.decoder(mean), 1.0).log_prob(x).sum())
        means.append(mean)
    certainty = 1e-5 if settings else 0.05  # training brings some variance back
    torch.testing.assert_close(
        metrics["val/bound_loss"], torch.stack(bounds).mean(), rtol=certainty, atol=0
    )
    spread = torch.cat(means).std(0, correction=0)
    assert metrics["val/active_units"] == (spread > 0.1).sum() <= (3 if settings else 4)


def test_training_lowers_the_bound_of_clips_that_it_has_not_seen(tmp_path):
    sharp = {"likelihood": FixedGaussian(0.3), "summary": "mean"}
    before = trained(tmp_path, method(optimizer=STILL, **sharp), data()).callback_metrics
    after = trained(tmp_path, method(**sharp), data(), max_epochs=15).callback_metrics
    assert after["val/bound_loss"] < before["val/bound_loss"] - 20


def test_labels_change_the_probe_and_nothing_else(tmp_path):
    states = []
    for p_s in (1.0, 0.2):
        subject = method()
        trained(tmp_path, subject, data(p_s=p_s), max_epochs=2)
        states.append(subject.state_dict())
    differing = {name for name in states[0] if not torch.equal(states[0][name], states[1][name])}
    probe = {f"classifier.pooling.classifier.{part}" for part in ("weight", "bias")}
    assert differing == probe | {"prior"}


def test_features_that_the_likelihood_is_not_for_are_refused(tmp_path):
    with pytest.raises(InputError, match="likelihood=bernoulli needs features in"):
        trained(tmp_path, method(likelihood=Bernoulli()), data())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden": [8, 0]}, r"method\.hidden must be a list of whole numbers from 1 up"),
        ({"hidden": None}, r"method\.hidden must be .*, got None"),
        ({"latent_dim": 0}, r"method\.latent_dim must be a whole number from 1 up, got 0"),
    ],
)
def test_sizes_that_networks_cannot_have_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        method(**changes)


def test_a_bound_that_is_not_a_number_is_not_left_out_of_the_mean(tmp_path, monkeypatch):
    subject = method(optimizer=STILL)
    whole = subject.bound

    def spoilt(x):
        reconstruction, kl = whole(x)
        if not subject.training:
            reconstruction[0] = math.nan
        return Bound(reconstruction, kl)

    monkeypatch.setattr(subject, "bound", spoilt)
    assert trained(tmp_path, subject, data()).callback_metrics["val/bound_loss"].isnan()


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        ("dataset.variable_lengths=true",),
        ("dataset._target_=tests.support.kinds.OneClass", "likelihood=bounded_gaussian"),
        ("dataset._target_=tests.support.kinds.Values", "method.summary=flat"),
    ],
)
def test_it_runs_from_the_command_line_and_its_checkpoint_predicts_alike(tmp_path, kind):
    small = ("method=m1", "method.hidden=[16,12]", "method.latent_dim=4")
    folder = run(tmp_path / "run", *small, "select=val/bound_loss", *kind)
    assert json.loads(folder.metrics.read_text())["effective_rank"] >= 1
    subject, _ = load_method(folder.best)
    corpus = {"OneClass": OneClass}.get(kind[0].split(".")[-1])
    if corpus is not None:
        clips = data(corpus())
        clips.setup()
        with torch.no_grad():
            found = torch.cat([subject.scores(batch) for batch in clips.batches("test")])
        saved = arrays_in(folder.path / "predictions.npz")["scores"]
        np.testing.assert_allclose(found, saved, atol=1e-5)
