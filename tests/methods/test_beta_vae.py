"""Oracles: the formula with torch's distributions, and the schedule of the benchmark by steps."""

import math

import pytest
import torch
from torch.distributions import Categorical, Normal, kl_divergence

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.losses.latents import gaussian_kl
from musicssl.methods.base.latent import LatentSpace
from musicssl.methods.beta_vae import BetaVAE
from musicssl.methods.generative.autoencoders import CnnPair, RnnPair
from musicssl.methods.generative.warmup import Warmup
from tests.support.latents import (
    NO_WARMUP,
    feature_parts,
    melodies,
    seeded,
    token_parts,
)
from tests.support.tiny import Tiny
from tests.support.training import quiet_trainer
from tests.support.training_command import run

PLAIN = {"beta": 1.0, "free_nats": 0.0, "warmup": NO_WARMUP}
NO_DROPOUT = CnnPair(latent_dim=10, channels=(8, 8, 8, 16), dropout=0.0)


def fitted(folder, subject, clips, **settings):
    trainer = quiet_trainer(folder, num_sanity_val_steps=0, **settings)
    trainer.fit(subject, clips)
    return trainer


@pytest.mark.parametrize(("beta", "free_nats"), [(0.2, 0.0), (4.0, 1.0), (0.2, 1e9)])
def test_the_loss_of_tokens_is_that_of_the_benchmark(tmp_path, beta, free_nats):
    settings = {"beta": beta, "free_nats": free_nats, "warmup": NO_WARMUP}
    subject, clips = seeded(BetaVAE, **token_parts(**settings, autoencoder=NO_DROPOUT)), melodies()
    fitted(tmp_path, subject, clips)
    batch = next(iter(clips.train_dataloader()))
    recorded = {}
    subject.record = recorded.update
    torch.manual_seed(1)
    loss = subject.training_step(batch, 0)
    torch.manual_seed(1)
    summary = subject.encoder.summarised(batch.x)
    q = Normal(subject.encoder.mean(summary), subject.encoder.log_deviation(summary).exp())
    z = q.loc + q.scale * torch.randn(32, 10)
    nats = -Categorical(logits=subject.decoder.logits(z)).log_prob(batch.x).mean()
    kl = kl_divergence(q, Normal(0.0, 1.0)).sum(dim=1).mean()
    torch.testing.assert_close(loss, nats + (beta * kl - free_nats).clamp_min(0))
    torch.testing.assert_close(recorded["reconstruction"], nats)
    torch.testing.assert_close(recorded["kl"], kl)
    assert recorded["weight"] == pytest.approx(beta)


def test_the_loss_of_features_is_the_bound_with_a_mean_over_features(tmp_path):
    subject = seeded(BetaVAE, **feature_parts(**PLAIN))
    clips = SemiSupervisedDataModule(Tiny(), batch_size=28, b_s=0)
    fitted(tmp_path, subject, clips)
    batch = next(iter(clips.train_dataloader()))
    torch.manual_seed(1)
    loss = subject.training_step(batch, 0)
    torch.manual_seed(1)
    x = subject.encoder.summary.of(batch)
    q = subject.encoder.posterior(x)
    z = q.sample(torch.randn(28, 4))
    nats = -Normal(subject.decoder(z), 1.0).log_prob(x).mean()
    torch.testing.assert_close(loss, nats + gaussian_kl(*q).mean())


def test_the_weight_rises_by_steps_as_in_the_benchmark():
    warmup, beta, steps = Warmup(epochs=11, ramp=100_000, unit="steps"), 4.0, 1852
    rate = math.log(1 + beta) / 100_000
    for epoch, step in ((0, 0), (10, 1851), (11, 0), (30, 7), (64, 1851)):
        passed = (epoch - 11) * steps + step
        expected = math.exp(rate * min(passed, 100_000)) - 1 if passed >= 0 else 0.0
        found = warmup.value(epoch + step / steps, steps, beta)
        assert found == pytest.approx(expected, abs=1e-9)
    assert warmup.value(65.0, steps, beta) == pytest.approx(beta)


def test_54_epochs_are_the_steps_of_the_benchmark_and_do_not_depend_on_the_corpus():
    epochs, steps = Warmup(), Warmup(ramp=100_000, unit="steps")
    for epoch in (5.0, 12.0, 40.0, 64.0):
        expected = steps.value(epoch, 1852, 1.0)
        assert epochs.value(epoch, 1852, 1.0) == pytest.approx(expected, abs=1e-3)
        assert epochs.value(epoch, 18, 1.0) == epochs.value(epoch, 1852, 1.0)


def test_the_weight_of_a_run_is_that_of_its_epochs(tmp_path):
    warmup = Warmup(epochs=1.0, ramp=1.0)
    subject = seeded(BetaVAE, **token_parts(beta=3.0, free_nats=0.0, warmup=warmup))
    trainer = fitted(tmp_path, subject, melodies(), max_epochs=1)
    assert trainer.callback_metrics["train/weight"] == 0
    subject = seeded(BetaVAE, **token_parts(beta=3.0, free_nats=0.0, warmup=warmup))
    trainer = fitted(tmp_path, subject, melodies(), max_epochs=2)
    means = [4.0 ** (step / 3) - 1 for step in range(3)]  # 3 steps an epoch
    assert trainer.callback_metrics["train/weight"] == pytest.approx(sum(means) / 3, rel=1e-5)


@pytest.mark.parametrize("pair", [CnnPair(latent_dim=10), RnnPair(latent_dim=10, units=16)])
def test_validation_counts_the_tokens_decoded_from_the_means(tmp_path, pair):
    subject, clips = seeded(BetaVAE, **token_parts(**PLAIN, autoencoder=pair)), melodies()
    metrics = fitted(tmp_path, subject, clips, max_epochs=2).callback_metrics
    batch = clips.clips("val")
    decoded = subject.decode_latents(subject.latent_means(batch))
    assert decoded.shape == batch.x.shape
    right = (decoded == batch.x).float().mean()
    assert metrics["val/reconstruction_accuracy"] == pytest.approx(right.item(), abs=1e-6)
    subject.eval()
    q = subject.encoder.posterior(batch.x)
    assert metrics["val/kl"] == pytest.approx(gaussian_kl(*q).mean().item(), rel=1e-5)


@pytest.mark.slow
def test_it_learns_to_reconstruct_melodies(tmp_path):
    free = {"beta": 0.2, "free_nats": 50.0, "warmup": NO_WARMUP, "autoencoder": CnnPair()}
    subject, clips = seeded(BetaVAE, **token_parts(**free)), melodies()
    metrics = fitted(tmp_path, subject, clips, max_epochs=40).callback_metrics
    frequencies = clips.clips("train").x.flatten().bincount().float()
    assert metrics["train/reconstruction"] < Categorical(frequencies).entropy() - 0.5


def test_latents_can_be_measured_and_features_are_decoded_in_their_units(tmp_path):
    subject = seeded(BetaVAE, **feature_parts(**PLAIN))
    clips = SemiSupervisedDataModule(Tiny(), batch_size=28, b_s=0)
    fitted(tmp_path, subject, clips)
    assert isinstance(subject, LatentSpace)
    assert list(subject.attribute_dimensions) == []
    subject.train()
    z = subject.latent_means(clips.clips("val"))
    assert subject.training
    assert not z.requires_grad
    expected = subject.encoder.summary.unscaled(subject.decoder(z))
    torch.testing.assert_close(subject.decode_latents(z), expected)


def test_labels_change_nothing_but_the_probe(tmp_path):
    states = []
    for p_s in (1.0, 0.2):
        subject = seeded(BetaVAE, **token_parts(**PLAIN))
        fitted(tmp_path, subject, melodies(p_s=p_s))
        states.append(subject.state_dict())
    differing = {name for name in states[0] if not torch.equal(states[0][name], states[1][name])}
    probe = {f"classifier.pooling.classifier.{part}" for part in ("weight", "bias")}
    assert differing == probe | {"prior"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"beta": -1.0}, r"method\.beta must be 0 or more"),
        ({"free_nats": math.inf}, r"method\.free_nats must be 0 or more, and finite, got inf"),
    ],
)
def test_numbers_that_cannot_be_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        BetaVAE(**token_parts(**(PLAIN | changes)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"unit": "hours"}, r"method\.warmup\.unit must be epochs or steps, got hours"),
        ({"ramp": -1}, r"method\.warmup\.ramp must be 0 or more, got -1"),
    ],
)
def test_warmups_that_cannot_be_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        Warmup(**settings)


@pytest.mark.slow
def test_a_run_from_the_command_line_says_how_well_it_reconstructs(tmp_path, capsys):
    small = ("dataset=dmelodies", "dataset.share=1e-4", "autoencoder=rnn", "autoencoder.units=8")
    folder = run(tmp_path, "method=beta_vae", *small)
    found = folder.result()["reconstruction"]
    assert set(found) == {"nats", "kl", "accuracy", "accuracy_of_samples"}
    assert 0 <= found["accuracy"] <= 1
    shown = " ".join(capsys.readouterr().out.split())
    assert f"{100 * found['accuracy']:.1f} % of the tokens from the means" in shown
    assert f"KL divergence {found['kl']:.1f} nats per clip" in shown
