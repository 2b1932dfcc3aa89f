"""Oracles: sums over clips one by one, and what padding, order and missing labels must not change.

The bound of a clip is tested in tests/methods/generative/test_joint.py, the weights of clips in
tests/methods/generative/test_clip_weights.py.
"""

import json
from functools import partial

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.evaluation.metrics import per_class_metrics
from musicssl.losses.likelihoods import Bernoulli
from musicssl.methods.joint_dgm import JointDGM
from musicssl.runs.history import read_history
from tests.support import interrupted
from tests.support.tiny import Tiny
from tests.support.trained_run import assert_checkpoint_serves
from tests.support.training import dgm_parts, quiet_trainer
from tests.support.training_command import run

SMALL = (
    *("method=joint_dgm", "method.h1=32", "method.h2=0", "method.latent_dim=4"),
    *("optimizer.lr=0.003", "method.dropout=0.1", "method.beta=32"),
    "data.p_s=0.3",
)
STILL = partial(torch.optim.SGD, lr=0.0)


def method(**changes):
    torch.manual_seed(0)
    return JointDGM(**dgm_parts(**changes))


def data(**settings):
    defaults = {"batch_size": 16, "b_s": 0.5, "p_s": 0.3}
    return SemiSupervisedDataModule(Tiny(variable_lengths=True), **defaults | settings)


def trained(folder, subject, clips, max_epochs=1):
    trainer = quiet_trainer(folder, max_epochs=max_epochs, num_sanity_val_steps=0)
    trainer.fit(subject, clips)
    return subject


def batch_of(mask, count=6):
    generator = torch.Generator().manual_seed(1)
    y = (torch.rand(count, 3, generator=generator) > 0.5).float()
    mask = torch.as_tensor(mask).expand(count, 3)
    y = y.where(mask, torch.nan)
    return Batch(torch.rand(count, 5, 8, generator=generator), y, mask)


def reached(subject, loss):
    subject.zero_grad()
    loss.backward()
    return {
        name: parameter.grad is not None and bool((parameter.grad != 0).any())
        for name, parameter in subject.classifier.named_parameters()
    }


def test_unlabelled_clips_teach_the_classifier():
    subject = method()
    bounds, cross_entropy = subject.terms(batch_of(mask=False))
    assert cross_entropy == 0
    assert all(reached(subject, bounds.sum()).values())


def test_clips_with_all_labels_teach_the_classifier_by_the_cross_entropy_alone():
    subject = method()
    bounds, cross_entropy = subject.terms(batch_of(mask=True))
    assert not any(reached(subject, bounds.sum() + 0 * cross_entropy).values())
    _, cross_entropy = subject.terms(batch_of(mask=True))
    assert all(reached(subject, cross_entropy).values())


def test_what_is_not_observed_may_be_anything():
    subject, batch = method(), batch_of(mask=[True, False, True])
    assert batch.y.isnan().any()
    torch.manual_seed(2)
    bounds, cross_entropy = subject.terms(batch)
    torch.manual_seed(2)
    again = subject.terms(batch._replace(y=batch.y.where(batch.mask, 1.0)))
    assert bounds.isfinite().all()
    assert torch.equal(bounds, again[0])
    assert torch.equal(cross_entropy, again[1])
    torch.manual_seed(2)
    observed = batch._replace(y=1 - batch.y)
    assert not torch.isclose(bounds, subject.terms(observed)[0]).any()


def test_a_probability_of_a_half_or_more_is_a_label():
    subject, batch = method(), batch_of(mask=True)
    torch.manual_seed(2)
    bounds, _ = subject.terms(batch)
    soft = batch._replace(y=torch.where(batch.y > 0.5, 0.5, 0.4))
    torch.manual_seed(2)
    assert torch.equal(subject.terms(soft)[0], bounds)


@pytest.mark.parametrize("settings", [{}, {"b_s": None, "p_cells": 0.4}])
def test_the_loss_counts_every_clip_once_and_adds_the_cross_entropy(tmp_path, settings):
    clips = data(**settings)
    subject = trained(tmp_path, method(optimizer=STILL, dropout=0.0), clips)
    recorded = {}
    subject.record = recorded.update
    batch = next(iter(clips.train_dataloader()))
    assert bool(batch.mask.all()) is False
    labelled = set(clips.labelled().tolist())
    torch.manual_seed(3)
    loss = subject.training_step(batch, 0)
    torch.manual_seed(3)
    bounds, _ = subject.terms(batch)
    expected = 0.0
    for i, row in enumerate(batch.rows.tolist()):
        if settings:
            expected += bounds[i].item() / 16
        elif i < 8:  # of the labelled clips
            expected += bounds[i].item() * len(labelled) / 84 / 8
        elif row not in labelled:
            expected += bounds[i].item() / 8
    logits = subject(batch)
    cells = binary_cross_entropy_with_logits(logits[batch.mask], batch.y[batch.mask])
    assert recorded["bound"].item() == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(recorded["cross_entropy"], cells)
    assert loss.item() == pytest.approx(expected + 8.0 * cells.item(), rel=1e-5)
    assert recorded["loss"] == loss


def test_features_are_scaled_by_all_training_clips(tmp_path):
    subject = trained(tmp_path, method(), data())
    clips = subject.trainer.datamodule.clips("train")
    std, mean = torch.std_mean(subject.summary.of(clips), dim=0, correction=0)
    torch.testing.assert_close(mean, torch.zeros(16), atol=1e-5, rtol=0)
    torch.testing.assert_close(std, torch.ones(16))


def test_the_shares_of_labels_may_be_the_prior(tmp_path):
    subject = trained(tmp_path, method(prior="labelled"), data(p_cells=0.5))
    targets, mask = subject.trainer.datamodule.labels("train")
    for c in range(3):
        known = targets[mask[:, c], c]
        expected = (known.sum() + 1) / (len(known) + 2)
        torch.testing.assert_close(subject.generator.prior_logits[c].sigmoid(), expected)


def test_neither_padding_nor_the_order_of_instances_changes_a_decision(tmp_path):
    subject = trained(tmp_path, method(), data()).eval()
    batch = batch_of(mask=False)
    expected = subject.scores(batch)
    shuffled = batch._replace(x=batch.x[:, [4, 2, 0, 1, 3]])
    torch.testing.assert_close(subject.scores(shuffled), expected)
    padded = torch.cat([batch.x, torch.full((6, 3, 8), 9.0)], dim=1)
    longer = batch._replace(x=padded, lengths=torch.full((6,), 5))
    torch.testing.assert_close(subject.scores(longer), expected)


@pytest.mark.parametrize("place", [(0, 2), (1, None), (1, 3)])
def test_a_run_stopped_anywhere_ends_with_the_same_bits(tmp_path, place):
    interrupted.check_resuming(tmp_path, method, data, 3, *place)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    learnt = ("trainer.max_epochs=15", "dataset.num_clips=400", "data.batch_size=32")
    return run(tmp_path_factory.mktemp("run"), *SMALL, *learnt)


@pytest.mark.slow
def test_it_learns_the_tiny_corpus(folder):
    assert json.loads(folder.metrics.read_text())["macro"]["auroc"] > 0.85
    rows = read_history(folder.history)
    for row in rows:
        expected = row["train/bound"] + 32 * row["train/cross_entropy"]
        assert row["train/loss"] == pytest.approx(expected, rel=1e-4)
    assert rows[-1]["train/bound"] < rows[0]["train/bound"]


def test_a_checkpoint_decides_as_the_run_did_and_can_be_probed(folder, tmp_path):
    assert_checkpoint_serves(folder, 400, tmp_path)


def test_it_learns_where_every_clip_lacks_some_labels(tmp_path):
    settings = {"b_s": None, "p_s": 1.0, "p_cells": 0.4, "batch_size": 32}
    clips = SemiSupervisedDataModule(Tiny(num_clips=400), **settings)
    subject = trained(tmp_path, method(), clips, max_epochs=12).eval()
    batch = clips.clips("test")
    scores = subject.scores(batch).detach()
    assert float(per_class_metrics(scores, batch.y, batch.mask)["auroc"].mean()) > 0.85


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "multi_class"}, "choose method=dgm, which enumerates the classes"),
        ({"task": "regression"}, "this corpus is a regression; choose another method"),
        ({"temperature": 0.0}, "method.temperature must be above 0 and finite, got 0.0"),
        ({"temperature": None}, "method.temperature must be above 0 and finite, got None"),
        ({"beta": None}, "method.beta must be 0 or more, and finite, got None"),
        ({"latent_dim": 0}, "method.latent_dim must be a whole number from 1 up, got 0"),
        ({"beta": -1.0}, "method.beta must be 0 or more, and finite, got -1.0"),
        ({"prior": "mine"}, "method.prior must be uniform or labelled, got mine"),
        ({"h1": 0, "h2": 0}, "the networks need a hidden layer"),
    ],
)
def test_settings_that_cannot_be_are_named(changes, words):
    with pytest.raises(InputError, match=words):
        method(**changes)


def test_features_that_a_likelihood_is_not_for_are_refused(tmp_path):
    with pytest.raises(InputError, match="likelihood=bernoulli needs features in"):
        trained(tmp_path, method(likelihood=Bernoulli()), data())
