"""What all classifying methods share, seen through `att` in runs of a real trainer."""

import copy
import dataclasses
from functools import partial

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.evaluation.metrics import macro, per_class_metrics
from musicssl.losses.balanced_bce import balanced_bce
from musicssl.losses.masked_bce import masked_bce
from musicssl.methods.att import AttentionMIL
from musicssl.networks.pooling import AttentionPooling
from musicssl.probing.base import Embeddings
from musicssl.probing.linear import fit_linear
from musicssl.schedules import halving
from tests.support.tiny import Tiny
from tests.support.training import quiet_trainer, supervised_parts


class Ragged(Tiny):
    """Tiny with bags of any length and half of the labels unknown, unevenly over the clips."""

    def load(self):
        corpus = super().load()
        mask = np.random.default_rng(1).random(corpus.y.shape) < 0.5
        return dataclasses.replace(corpus, mask=mask)


def method(**parts):
    torch.manual_seed(0)
    return AttentionMIL(**supervised_parts(**parts))


def data(dataset=None, **settings):
    dataset = dataset or Ragged(variable_lengths=True)
    return SemiSupervisedDataModule(dataset, **({"batch_size": 5} | settings))


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("loss", [masked_bce, balanced_bce])
def test_the_loss_of_a_split_is_that_of_all_its_clips_at_once(tmp_path, split, loss):
    att, clips = method(loss=loss), data()
    run = quiet_trainer(tmp_path)
    run.fit(att, clips)
    if split == "test":
        run.test(att, clips, verbose=False)
    everything = clips.clips(split)
    logits = att.eval()(everything)
    prior = {"prior": att.prior} if loss is balanced_bce else {}
    expected = loss(logits, everything.y, everything.mask, **prior)
    assert run.callback_metrics[f"{split}/loss"].item() == pytest.approx(expected.item(), rel=1e-5)
    scores = macro(per_class_metrics(logits.sigmoid(), everything.y, everything.mask))
    for name, value in scores.items():
        assert run.callback_metrics[f"{split}/{name}"].item() == pytest.approx(value, rel=1e-5)

    rows = torch.arange(len(logits)).split(5)
    assert len(rows[-1]) < 5
    parts = [loss(logits[r], everything.y[r], everything.mask[r], **prior) for r in rows]
    assert torch.stack(parts).mean().item() != pytest.approx(expected.item(), rel=1e-3)


def test_an_epoch_forgets_the_outputs_of_the_one_before(tmp_path):
    att, clips = method(optimizer=partial(torch.optim.SGD, lr=0.0)), data()
    run = quiet_trainer(tmp_path, max_epochs=2)
    run.fit(att, clips)
    run.validate(att, clips, verbose=False)
    assert len(att._val_outputs.logits) == 0
    everything = clips.clips("val")
    expected = masked_bce(att.eval()(everything), everything.y, everything.mask)
    assert run.callback_metrics["val/loss"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_prior_is_counted_on_the_labels_that_the_run_may_see(tmp_path):
    att, clips = method(), data(Tiny(), p_s=0.2, b_s=0.4)
    quiet_trainer(tmp_path, max_steps=1).fit(att, clips)
    train = clips.clips("train")
    known = train.y[train.mask.any(dim=1)]
    assert len(known) == round(0.2 * 84)
    torch.testing.assert_close(att.prior, known.mean(dim=0))
    assert not torch.allclose(att.prior, train.y.mean(dim=0))


def at_the_start(tmp_path, weights=None, **parts):
    """Return the logits of the training clips before the first step."""
    still = partial(torch.optim.SGD, lr=0.0)
    att, clips = method(optimizer=still, **parts), data(Tiny(), p_s=0.2, b_s=0.4)
    if weights is not None:
        att.start_from(weights)
    quiet_trainer(tmp_path, max_steps=1).fit(att, clips)
    train = clips.clips("train")
    return att.eval()(train), train.y[train.mask.any(dim=1)].mean(dim=0), att


def test_training_starts_at_the_class_frequencies_of_the_labels(tmp_path):
    pooling = partial(AttentionPooling, start="prior")
    logits, frequencies, _ = at_the_start(tmp_path, pooling=pooling)
    torch.testing.assert_close(logits, frequencies.logit().expand_as(logits))


def test_a_regression_is_fitted_to_the_labels_that_the_run_may_see_and_predicts_with_it(tmp_path):
    """Oracle: the network alone, and a regression fitted by hand to the same clips."""
    pooling = partial(AttentionPooling, start="prior", regression=50)
    logits, frequencies, att = at_the_start(tmp_path, pooling=pooling)
    clips = data(Tiny(), p_s=0.2, b_s=0.4)
    clips.setup()
    train = clips.clips("train")
    x = train.x[train.mask.any(dim=1)]
    assert len(x) == 17
    statistics = Embeddings(
        torch.cat([x.mean(1), x.std(1, correction=0)], 1),
        *(part[train.mask.any(dim=1)] for part in (train.y, train.mask)),
    )
    by_hand = fit_linear(statistics, statistics, att.task, [0.01])
    every = torch.cat([train.x.mean(1), train.x.std(1, correction=0)], dim=1)
    share = 1 / (1 + (17 / 50) ** 0.5)
    own = every @ by_hand.weight.T + by_hand.bias
    expected = (1 - share) * frequencies.logit() + share * own
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(att.train()(train), frequencies.logit().expand_as(logits))


def test_weights_of_a_checkpoint_are_kept_at_the_start(tmp_path):
    _, _, random = at_the_start(tmp_path / "random")
    weights = random.state_dict()
    pooling = partial(AttentionPooling, start="prior")
    _, _, started = at_the_start(tmp_path / "started", weights, pooling=pooling)
    for name, value in started.classifier.pooling.state_dict().items():
        torch.testing.assert_close(value, weights[f"classifier.pooling.{name}"])


def test_a_loss_from_elsewhere_is_given_the_prior_if_it_asks_for_it():
    seen = []

    def own(logits, targets, mask, prior):
        seen.append(prior)
        return logits.sum()

    att = method(loss=own)
    att.loss(*torch.zeros(3, 2, 3))
    assert seen == [att.prior]


def parts_of(att):
    return {
        part: copy.deepcopy(getattr(att.classifier, part).state_dict())
        for part in ("encoder", "pooling")
    }


def changed(before, after):
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


def test_a_frozen_part_keeps_weights_and_statistics_while_the_rest_learns(tmp_path):
    att = method()
    att.freeze_parts(["encoder"])
    before = parts_of(att)
    run = quiet_trainer(tmp_path, max_steps=2)
    run.fit(att, data())
    assert run.global_step == 2
    after = parts_of(att)
    assert changed(before["encoder"], after["encoder"]) == set()
    assert changed(before["pooling"], after["pooling"]) == set(before["pooling"])


def test_nothing_is_frozen_unasked(tmp_path):
    att = method()
    before = parts_of(att)["encoder"]
    quiet_trainer(tmp_path, max_steps=2).fit(att, data())
    assert changed(before, parts_of(att)["encoder"]) == set(before)


def test_a_frozen_part_stays_in_evaluation_while_the_rest_trains():
    att = method()
    att.freeze_parts(["encoder", "pooling.attention"])
    att.train()
    assert not any(module.training for module in att.classifier.encoder.modules())
    assert not att.classifier.pooling.attention.training
    assert att.classifier.pooling.classifier.training
    assert {name for name, p in att.named_parameters() if p.requires_grad} == {
        "classifier.pooling.classifier.weight",
        "classifier.pooling.classifier.bias",
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["encodr"], "no part 'encodr'; choose encoder, .*pooling.attention"),
        (["encoder", "head"], "no part 'head'"),
        ([""], "no part ''"),
        (["encoder", "pooling"], "leaves nothing to train"),
    ],
)
def test_parts_that_cannot_be_frozen_are_refused(names, message):
    with pytest.raises(InputError, match=message):
        method().freeze_parts(names)


class Rates(pl.Callback):
    def __init__(self):
        self.rates = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_learning_rate_follows_the_epochs_trained(tmp_path, accumulate):
    rates = Rates()
    att = method(schedule=partial(halving, every_epochs=2.0))
    clips = data(Tiny(), batch_size=21)  # four batches an epoch
    run = quiet_trainer(
        tmp_path, max_epochs=5, callbacks=[rates], accumulate_grad_batches=accumulate
    )
    run.fit(att, clips)
    assert rates.rates == [1e-2] * 8 + [5e-3] * 8 + [2.5e-3] * 4


def test_scores_are_the_probabilities_of_the_logits():
    att, clips = method().eval(), Batch(torch.rand(4, 5, 8), torch.zeros(4, 3), torch.ones(4, 3))
    torch.testing.assert_close(att.scores(clips), 1 / (1 + torch.exp(-att(clips))))
    combined = att.classifier.pooling.combine(att.instances(clips))
    torch.testing.assert_close(combined, att(clips))


class TwoTerms(AttentionMIL):
    """Records two terms of a step one after the other, and keeps them for the test."""

    def training_step(self, batch, batch_idx):
        loss = self.loss(self(batch), batch.y, batch.mask)
        self.seen.append(loss.item())
        self.record(loss=loss)
        self.record(twice=2 * loss)
        return loss


class Reader(pl.Callback):
    """Notes what a callback finds logged when an epoch ends."""

    def __init__(self):
        self.metrics = []

    def on_train_epoch_end(self, trainer, pl_module):
        self.metrics.append({k: v.item() for k, v in trainer.callback_metrics.items()})


class StopAtOnce(pl.Callback):
    """Asks to stop after the first step, as Lightning does when a run is out of time."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        trainer.should_stop = True


@pytest.mark.parametrize(
    ("limits", "steps"),
    [
        ({}, 3 * [17]),
        ({"accumulate_grad_batches": 4}, 3 * [17]),
        ({"limit_train_batches": 3}, 3 * [3]),
        ({"max_steps": 5}, [5]),
        ({"max_steps": 19}, [17, 2]),
        ({"should_stop": True}, [1]),
    ],
)
def test_every_epoch_logs_the_mean_of_what_its_steps_recorded(tmp_path, limits, steps):
    torch.manual_seed(0)
    subject, reader = TwoTerms(**supervised_parts()), Reader()
    subject.seen = []
    out_of_time = [StopAtOnce()] if limits.pop("should_stop", False) else []
    callbacks = [*out_of_time, reader]
    quiet_trainer(tmp_path, max_epochs=3, callbacks=callbacks, **limits).fit(subject, data())
    assert len(subject.seen) == sum(steps)
    epochs = np.split(np.array(subject.seen), np.cumsum(steps)[:-1])
    expected = [losses.mean() for losses in epochs]
    assert [row["train/loss"] for row in reader.metrics] == pytest.approx(expected, rel=1e-5)
    twice = [row["train/twice"] / 2 for row in reader.metrics]
    assert twice == pytest.approx(expected, rel=1e-5)
