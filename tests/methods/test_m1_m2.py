"""Oracles: what each phase leaves as it was, the clips that it sees, and runs left alone."""

import json
import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.distributions import Normal, kl_divergence

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.losses.likelihoods import FixedGaussian
from musicssl.methods import m1_m2
from musicssl.methods.generative.vae import vae_bound
from musicssl.methods.m1_m2 import M1M2
from musicssl.runs.history import read_history
from tests.support import interrupted
from tests.support.kinds import OneClass, Values
from tests.support.quick import slow_after
from tests.support.tiny import Tiny
from tests.support.trained_run import assert_checkpoint_serves
from tests.support.training import dgm_parts, quiet_trainer
from tests.support.training_command import run

SMALL = (
    "method=m1_m2",
    *("method.m1_hidden=[16]", "method.m1_latent_dim=4", "method.m1_epochs=1"),
    *("method.h1=16", "method.h2=0", "method.latent_dim=3", "data.p_s=0.3"),
)
DECAY = partial(torch.optim.Adam, lr=1e-2, weight_decay=0.01)


def method(**changes):
    torch.manual_seed(0)
    of_m1 = {"m1_epochs": 2, "m1_hidden": [16, 12], "m1_latent_dim": 4}
    parts = {"likelihood": FixedGaussian(0.3), "optimizer": DECAY}
    return M1M2(**dgm_parts(**of_m1 | parts | changes))


def telling(**changes):
    """Return a method whose latent variables vary from clip to clip before it has learnt."""
    subject = method(**changes)
    with torch.no_grad():
        subject.features.encoder.layers[-1].weight[:4] *= 10
    return subject


def data(corpus=Tiny(variable_lengths=True), **settings):  # noqa: B008
    defaults = {"batch_size": 16, "b_s": 0.5, "p_s": 0.3}
    return SemiSupervisedDataModule(corpus, **defaults | settings)


class Weights(pl.Callback):
    """Keep the weights, and how good the selected models are, as each epoch leaves them."""

    def __init__(self):
        self.kept = []

    def on_train_epoch_end(self, trainer, subject):
        weights = {name: p.detach().clone() for name, p in subject.named_parameters()}
        self.kept.append(weights | {"best": subject.selected.best.clone()})


def trained(folder, subject, clips, max_epochs=4, **settings):
    trainer = quiet_trainer(folder, max_epochs=max_epochs, num_sanity_val_steps=0, **settings)
    trainer.fit(subject, clips)
    return subject


@pytest.fixture(scope="module")
def epochs(tmp_path_factory):
    weights = Weights()
    trained(tmp_path_factory.mktemp("epochs"), method(), data(), callbacks=[weights])
    return weights.kept


def of_m1(name):
    return name.startswith(("classifier.encoder.features.", "decoder."))


def test_either_phase_trains_its_part_and_leaves_the_rest_to_the_bit(epochs):
    """Although the weights decay: those without a gradient do not."""
    start = {name: p.detach() for name, p in method().named_parameters()}
    names = [name for name in start if not name.startswith("selected.")]
    assert {of_m1(name) for name in names} == {True, False}
    for epoch, (before, after) in enumerate(zip([start, *epochs[:-1]], epochs, strict=True)):
        for name in names:
            changed = not torch.equal(before[name], after[name])
            assert changed == (of_m1(name) == (epoch < 2)), (epoch, name)


def test_models_are_selected_in_the_second_phase_alone(epochs):
    assert [bool(kept["best"].isinf().all()) for kept in epochs] == [True, True, False, False]


def test_m1_sees_each_training_clip_once_before_any_twice(tmp_path, monkeypatch):
    seen = []

    def spy(encoder, decoder, x):
        seen.append(x)
        return vae_bound(encoder, decoder, x)

    monkeypatch.setattr(m1_m2, "vae_bound", spy)
    clips = data()
    subject = trained(tmp_path, method(m1_epochs=3), clips)
    summary = subject.features.encoder.summary
    every = torch.cat([summary.of(batch) for batch in clips.batches_of(clips.training_rows())])
    assert len(every) == 84  # labelled for any of the labels, or not
    drawn = torch.cat(seen)
    assert {len(x) for x in seen} == {16}
    assert len(drawn) == 3 * clips.steps_per_epoch * 16 >= 2 * 84
    for turn in (drawn[:84], drawn[84:168]):
        order = torch.cdist(turn.double(), every.double()).argmin(dim=1)
        torch.testing.assert_close(turn, every[order])
        assert order.unique().numel() == 84
    assert not torch.equal(drawn[:84], drawn[84:168])


def test_ranks_share_the_clips_of_a_step(tmp_path, monkeypatch):
    subject = trained(tmp_path, telling(m1_epochs=1), data(), 2)
    trainer, seen = subject.trainer, []
    subject.prepare(trainer.datamodule.batches("train"))
    monkeypatch.setattr(subject, "record", lambda **terms: None)
    monkeypatch.setattr(m1_m2, "vae_bound", lambda e, d, x: (seen.append(x), vae_bound(e, d, x))[1])
    for world_size, rank, count in [(1, 0, 16), (2, 0, 8), (2, 1, 8)]:
        subject.trainer = SimpleNamespace(
            **{"world_size": world_size, "global_rank": rank, "current_epoch": 1},
            **{"num_training_batches": 9, "datamodule": trainer.datamodule},
        )
        subject._m1_step(count, 5)
    assert torch.equal(seen[0], torch.cat(seen[1:]))


def test_the_loss_of_m1_is_its_bound(tmp_path):
    """With a posterior of next to no variance it does not depend on what is drawn."""
    clips, still = data(), partial(torch.optim.SGD, lr=0.0)
    subject = trained(tmp_path, telling(m1_epochs=1, optimizer=still), clips, 2)
    with torch.no_grad():
        subject.features.encoder.layers[-1].weight[4:] = 0
        subject.features.encoder.layers[-1].bias[4:] = -30
    subject.prepare(clips.batches("train"))  # the features, no longer q(z1|x)
    recorded = {}
    subject.record = recorded.update
    loss = subject._m1_step(84, 0)  # as many as there are
    summary = subject.features.encoder.summary
    x = torch.cat([summary.of(batch) for batch in clips.batches("train")])
    mean, log_variance = subject.features.encoder.layers(x).chunk(2, dim=1)
    q = Normal(mean, (0.5 * log_variance).exp())
    reconstruction = -Normal(subject.decoder.layers(mean), 0.3).log_prob(x).sum(dim=1).mean()
    kl = kl_divergence(q, Normal(0.0, 1.0)).sum(dim=1).mean()
    torch.testing.assert_close(recorded["m1_reconstruction"], reconstruction)
    torch.testing.assert_close(recorded["m1_kl"], kl)
    torch.testing.assert_close(loss, reconstruction + kl)
    assert recorded["loss"] == loss


def test_features_are_samples_drawn_anew_and_means_when_it_decides(tmp_path):
    clips = data()
    subject = trained(tmp_path, method(), clips)
    row = torch.tensor([[20], [20], [41]])
    drawn = torch.stack([subject.draw(row).x[:, 0] for _ in range(4000)])  # (4000, M, Z)
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0, 0], drawn[0, 1])  # models draw each their own
    [batch] = list(clips.batches_of(np.array([20, 41])))
    q = subject.features.encoder.posterior(subject.features.encoder.summary.of(batch))
    kept = subject.features.kept.mask
    assert kept.any()
    for place, clip in enumerate([0, 0, 1]):
        mean, std = q.mean[clip] * kept, (0.5 * q.log_variance[clip]).exp() * kept
        torch.testing.assert_close(drawn[:, place].mean(dim=0), mean, atol=0.08, rtol=0)
        torch.testing.assert_close(drawn[:, place].std(dim=0), std, atol=0.08, rtol=0)
    means = subject.classifier.encoder.features(batch.x, torch.arange(5) < batch.lengths[:, None])
    torch.testing.assert_close(means, q.mean * kept)


def test_what_hardly_varies_is_dropped_from_the_features_and_their_likelihood(tmp_path):
    subject = telling(m1_epochs=0)
    with torch.no_grad():
        last = subject.features.encoder.layers[-1]
        last.weight[1] = 0  # the mean of the second dimension
        last.bias[1] = 5.0
    subject.start_from(subject.state_dict(), M1M2.predicts_with)
    clips = data()
    trained(tmp_path, subject, clips, 1)
    assert subject.features.kept.mask[1].item() is False
    assert (subject.draw(torch.zeros(3, 4, dtype=torch.int64)).x[..., 1] == 0).all()
    for generator in (subject.generator, subject.best_generator):
        assert generator.likelihood.kept is subject.features.kept
    x = subject.draw(torch.arange(3).expand(3, 3)).x
    outputs = torch.randn(3, 3, 8)
    others = outputs.clone()
    others[..., [1, 5]] = 100.0
    likelihood = subject.generator.likelihood
    assert torch.equal(likelihood.negative_log(outputs, x), likelihood.negative_log(others, x))


def test_an_m1_that_has_learnt_nothing_is_named(tmp_path):
    subject = method(m1_epochs=0)
    torch.nn.init.zeros_(subject.features.encoder.layers[-1].weight)
    subject.start_from(subject.state_dict(), M1M2.predicts_with)
    with pytest.raises(InputError, match=r"no latent variable of M1 varies.*m1_epochs"):
        trained(tmp_path, subject, data(), 1)


@pytest.mark.parametrize("epoch", [0, 1])
def test_on_several_devices_every_parameter_has_a_gradient_and_rests_all_the_same(tmp_path, epoch):
    subject = trained(tmp_path, method(m1_epochs=1), data(), 2)
    batch = next(iter(subject.trainer.datamodule.train_dataloader()))
    subject.prepare(subject.trainer.datamodule.batches("train"))
    subject.trainer = SimpleNamespace(
        **{"world_size": 2, "global_rank": 1, "current_epoch": epoch},
        **{"num_training_batches": 9, "datamodule": subject.trainer.datamodule},
    )
    subject.zero_grad()
    subject.train().training_step(batch, 0).backward()
    trained_ones = {name: p for name, p in subject.named_parameters() if p.requires_grad}
    assert all(p.grad is not None for p in trained_ones.values())
    subject.on_before_optimizer_step(torch.optim.SGD(subject.parameters(), lr=1.0))
    for name, parameter in trained_ones.items():
        assert (parameter.grad is not None) == (of_m1(name) == (epoch == 0)), name


@pytest.mark.parametrize(
    ("epoch", "step"), slow_after(2, [(0, 3), (2, 4), (1, None), (2, 0), (3, 2)])
)
def test_a_run_stopped_in_either_phase_ends_with_the_same_bits(tmp_path, epoch, step):
    interrupted.check_resuming(tmp_path, method, data, 4, epoch, step)


@pytest.mark.parametrize("select", ["val/loss", "val/auroc"])
def test_an_epoch_of_m1_is_never_the_best(tmp_path, select):
    """Nothing is learnt in the second phase, so that the first one is not worse."""
    still = partial(torch.optim.SGD, lr=0.0)
    subject = telling(optimizer=still, select=select)
    interrupted.fit(tmp_path, subject, data(), 4, select=select)
    best = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["epoch"] == 2


def test_the_losses_of_a_phase_are_undefined_in_the_other(tmp_path):
    weights = interrupted.fit(tmp_path, method(), data(), 4)
    rows = read_history(tmp_path / "history.csv")
    first, second = ("m1_reconstruction", "m1_kl"), ("labelled", "unlabelled", "cross_entropy")
    for epoch, row in enumerate(rows):
        assert math.isfinite(row["train/loss"])
        assert all(math.isnan(row[f"train/{name}"]) == (epoch >= 2) for name in first)
        assert all(math.isnan(row[f"train/{name}"]) == (epoch < 2) for name in second)
    of_m1 = rows[1]["train/m1_reconstruction"] + rows[1]["train/m1_kl"]
    assert rows[1]["train/loss"] == pytest.approx(of_m1)
    kept = weights["classifier.encoder.features.kept.mask"].sum()
    assert math.isnan(rows[1]["train/m1_kept"])
    assert rows[2]["train/m1_kept"] == rows[3]["train/m1_kept"] == kept


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    learnt = ("trainer.max_epochs=24", "method.m1_epochs=10", "optimizer.lr=0.01")
    small = ("dataset.num_clips=400", "likelihood.std=0.3", "method.dropout=0", "data.p_s=0.5")
    return run(tmp_path_factory.mktemp("run"), *SMALL, *learnt, *small, "data.batch_size=64")


@pytest.mark.slow
def test_it_learns_the_tiny_corpus(folder):
    document = json.loads(folder.metrics.read_text())
    assert document["macro"]["auroc"] > 0.8
    assert document["best_epoch"] >= 10


def test_a_checkpoint_decides_as_the_run_did_and_can_be_probed(folder, tmp_path):
    assert_checkpoint_serves(folder, 400, tmp_path)


def test_a_corpus_of_one_class_per_clip_has_one_model(tmp_path):
    subject = method(task="multi_class", m1_epochs=1)
    trained(tmp_path, subject, data(OneClass(), p_s=0.5), 2)
    assert subject.generator.log_prior.shape == (1, 3)


def test_without_unlabelled_clips_it_learns_from_the_labelled(tmp_path):
    subject = trained(tmp_path, telling(m1_epochs=1), data(b_s=1.0), 2)
    logged = subject.trainer.callback_metrics
    assert logged["train/unlabelled"] == 0
    assert logged["train/labelled"] > 0
    assert subject.selected.epochs.tolist() == [1, 1, 1]  # of the second phase


@pytest.mark.slow
def test_an_m1_of_another_run_can_be_taken(folder, tmp_path):
    again = ("likelihood.std=0.3", "method.m1_epochs=0", f"finetune.checkpoint={folder.best}")
    tuned = run(tmp_path, *SMALL, *again, "trainer.max_epochs=1")
    weights = [torch.load(f, weights_only=True)["state_dict"] for f in (folder.best, tuned.best)]
    for name in (
        "classifier.encoder.features.encoder.layers.0.weight",
        "classifier.encoder.features.encoder.summary.scale",
        "decoder.layers.0.weight",
    ):
        assert torch.equal(weights[0][name], weights[1][name])


def test_no_m1_at_all_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"m1_epochs=0 takes M1 from another run.*finetune"):
        trained(tmp_path, method(m1_epochs=0), data(), 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"m1_epochs": -1}, "method.m1_epochs must be 0 or more, got -1"),
        ({"m1_hidden": [8, 0]}, r"method.m1_hidden must be a list of .* got \[8, 0\]"),
        ({"m1_latent_dim": 0}, "method.m1_latent_dim must be a whole number from 1 up, got 0"),
        ({"task": "regression"}, "this corpus is a regression"),
    ],
)
def test_settings_that_cannot_be_are_named(changes, words):
    with pytest.raises(InputError, match=words):
        method(**changes)


def test_epochs_must_be_left_for_the_m2s(tmp_path):
    with pytest.raises(InputError, match=r"method.m1_epochs=2 leaves none of the trainer.max_epo"):
        trained(tmp_path, method(), data(), 2)


def test_a_regression_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(InputError, match="regression"):
        trained(tmp_path, method(), data(Values()), 4)
