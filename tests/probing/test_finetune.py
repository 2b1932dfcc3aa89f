"""Oracles: a plain loop of torch, the frozen linear probe, and invariances."""

import copy
import logging
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.att import AttEmbedding
from musicssl.encoders.gru import GRUEncoder
from musicssl.encoders.samplecnn import SampleCNN
from musicssl.errors import InputError
from musicssl.evaluation.predictions import predict_clips
from musicssl.evaluation.tasks import task_named
from musicssl.networks.classifier import Classifier
from musicssl.networks.pooling import MeanPooling
from musicssl.probing.base import Embeddings
from musicssl.probing.finetune import FineTune
from musicssl.probing.linear import fit_linear
from tests.support.tiny import Tiny
from tests.support.tiny_sound import TinySound

CPU = torch.device("cpu")
FEW, MORE = torch.arange(10), torch.arange(30)
QUICK = FineTune(rates=(1e-2,), epochs=2)
FROM_ZERO = replace(QUICK, from_linear=False)
SOUND = FineTune(rates=(1e-3,), epochs=1, crop_seconds=1.0, batch_size=4)


@dataclass(frozen=True)
class Changed:
    """Another corpus after a change."""

    dataset: object
    change: object

    def prepare(self):
        """Nothing is derived."""

    def load(self):
        return self.change(self.dataset.load())


def trained_encoder(encoder):
    """Give batch norms the statistics and the scales of a network that has learnt."""
    generator = torch.Generator().manual_seed(1)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm1d):
            for tensor in (module.running_mean, module.running_var, module.weight.data):
                tensor += 0.3 * torch.rand(tensor.shape, generator=generator)
    return encoder.eval().requires_grad_(False)  # as the average of a teacher is


def of_instances(seed=0):
    torch.manual_seed(seed)
    return trained_encoder(AttEmbedding(8, dropout=0.5))


def of_sound():
    torch.manual_seed(0)
    return trained_encoder(SampleCNN(chunk_samples=729, num_blocks=5, width=16))


def embedded(encoder, data, split):
    network = Classifier(lambda **_: encoder, MeanPooling, 1, 1, 1).eval()
    with torch.no_grad():
        parts = [(network.clip_embeddings(b), b.y, b.mask) for b in data.batches(split)]
    return Embeddings(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


def tuned(settings, encoder, dataset, subsets):
    data = SemiSupervisedDataModule(dataset, batch_size=8)
    train, val = embedded(encoder, data, "train"), embedded(encoder, data, "val")
    return settings.fit(encoder, data, train, subsets, val, CPU), data, train, val


def scores(fitted, data, split="test"):
    return predict_clips(fitted, data.batches(split), ("a",), np.array(["a"])).scores


def test_it_is_a_plain_loop_of_torch():
    """Ten clips are one batch of ten, in whatever order."""
    encoder, rate = of_instances(), 3e-3
    settings = FineTune(rates=(rate,), epochs=3, weight_decay=0.1)
    [fitted], data, train, val = tuned(settings, encoder, Tiny(variable_lengths=True), [FEW])
    task = task_named("multi_label")
    probe = fit_linear(train.select(FEW), val, task)
    encoder = copy.deepcopy(encoder).requires_grad_(True)
    weight, bias = probe.weight.clone().requires_grad_(), probe.bias.clone().requires_grad_()

    def logits(split, rows):
        clips, clip_logits = data.clips(split), []
        for row in rows:
            h, _ = encoder(clips.x[row : row + 1, : clips.lengths[row]])
            clip_logits.append(h[0].mean(0) @ weight.T + bias)
        return torch.stack(clip_logits), clips.y[rows]

    optimizer = torch.optim.AdamW([*encoder.parameters(), weight, bias], rate, weight_decay=0.1)
    bce = nn.BCEWithLogitsLoss()
    losses, states = [bce(*logits("val", range(12))).item()], []
    for _ in range(3):
        for _ in range(10):
            optimizer.zero_grad()
            bce(*logits("train", FEW.tolist())).backward()
            optimizer.step()
        losses.append(bce(*logits("val", range(12))).item())
        states.append(logits("test", range(24))[0].sigmoid().detach().numpy())
    best = int(np.argmin(losses))
    assert best > 0
    assert fitted.chosen == {"rate": rate, "epoch": best}
    assert fitted.val_loss == pytest.approx(losses[best], rel=1e-4)
    np.testing.assert_allclose(scores(fitted, data), states[best - 1], atol=1e-4)


@pytest.mark.parametrize(
    ("encoder", "dataset", "settings"),
    [
        (of_instances, Tiny(variable_lengths=True), QUICK),
        (of_sound, TinySound(variable_lengths=True), SOUND),
        (of_sound, TinySound(), replace(SOUND, as_evaluated=False)),
    ],
    ids=["instances", "sound", "batch statistics"],
)
def test_the_encoder_does_not_change_and_its_copy_learns(encoder, dataset, settings):
    encoder = encoder()
    before = {name: t.clone() for name, t in encoder.state_dict().items()}
    [fitted], *_ = tuned(replace(settings, from_linear=False), encoder, dataset, [FEW])
    assert not encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())
    after = encoder.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert fitted.chosen["epoch"] > 0
    learnt = fitted.network.classifier.encoder
    name, first = next(learnt.named_parameters())
    assert (first - before[name]).abs().max() > 1e-4
    frozen = [torch.equal(b, before[name]) for name, b in learnt.named_buffers()]
    assert len(frozen) >= 3
    assert all(frozen) if settings.as_evaluated else not any(frozen)


def test_the_smallest_steps_lead_to_the_linear_probe():
    encoder = of_sound()
    settings = replace(SOUND, rates=(1e-12,))
    fitted, data, train, val = tuned(settings, encoder, TinySound(), [FEW, MORE])
    task, test = task_named("multi_label"), embedded(encoder, data, "test")
    for one, rows in zip(fitted, (FEW, MORE), strict=True):
        probe = fit_linear(train.select(rows), val, task)
        logits = val.h @ probe.weight.T + probe.bias
        loss = task.loss(None)(logits, val.y, val.mask)
        assert one.val_loss == pytest.approx(loss.item(), rel=1e-5)
        expected = (test.h @ probe.weight.T + probe.bias).sigmoid()
        np.testing.assert_allclose(scores(one, data), expected, atol=1e-5)


class Deaf(nn.Module):
    """Hears nothing of the first features, which tell the classes."""

    embed_dim = 4

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(8, 4)
        with torch.no_grad():
            self.linear.weight[:, :2] = 0

    def forward(self, x, valid=None):
        return self.linear(x), valid


def told_by_the_first_features(corpus):
    x = np.random.default_rng(0).standard_normal(corpus.x.shape).astype(np.float32)
    y = (x.mean(1)[:, :2] > 0).astype(np.float32)
    mask = np.ones_like(y, dtype=bool)
    return replace(corpus, x=x, y=y, mask=mask, classes=("a", "b"), activity=None)


def test_it_learns_what_the_frozen_encoder_does_not_know():
    dataset, rows = Changed(Tiny(num_clips=300), told_by_the_first_features), torch.arange(210)
    settings = FineTune(rates=(1e-2,), epochs=20)
    [fitted], data, train, val = tuned(settings, Deaf(), dataset, [rows])
    task, (y, mask) = task_named("multi_label"), data.labels("test")
    probe, test = fit_linear(train, val, task), embedded(Deaf(), data, "test")
    frozen = (test.h @ probe.weight.T + probe.bias).sigmoid()
    assert task.metrics(frozen, y, mask).macro["auroc"] < 0.7
    learnt = torch.from_numpy(scores(fitted, data))
    assert task.metrics(learnt, y, mask).macro["auroc"] > 0.95
    assert fitted.val_loss < 0.3 < math.log(2)


def test_a_result_depends_on_its_own_subset_and_the_seed():
    settings = replace(FROM_ZERO, as_evaluated=False)  # so that dropout draws
    encoder = of_instances()
    (_, with_others), data, *_ = tuned(settings, encoder, Tiny(), [MORE, FEW])
    torch.rand(5)
    [alone], *_ = tuned(settings, encoder, Tiny(), [FEW])
    np.testing.assert_array_equal(scores(with_others, data), scores(alone, data))
    assert (with_others.val_loss, with_others.chosen) == (alone.val_loss, alone.chosen)
    [other], *_ = tuned(replace(settings, seed=1), encoder, Tiny(), [FEW])
    assert other.val_loss != alone.val_loss


def test_random_numbers_of_the_caller_do_not_change():
    data, encoder = SemiSupervisedDataModule(Tiny(), batch_size=8), of_instances()
    train, val = embedded(encoder, data, "train"), embedded(encoder, data, "val")
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    QUICK.fit(encoder, data, train, [FEW], val, CPU)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


def test_the_best_rate_is_chosen_by_validation():
    rates = (1e-6, 1e-2, 10.0)
    encoder = of_instances()
    [fitted], *_ = tuned(replace(FROM_ZERO, rates=rates), encoder, Tiny(), [MORE])
    each = [replace(FROM_ZERO, rates=(rate,)) for rate in rates]
    alone = [tuned(settings, encoder, Tiny(), [MORE])[0][0] for settings in each]
    losses = [one.val_loss for one in alone]
    assert len(set(losses)) == 3
    assert fitted.val_loss == min(losses)
    assert fitted.chosen == alone[int(np.argmin(losses))].chosen


@pytest.mark.parametrize("task", ["multi_class", "regression", "one class in validation"])
def test_every_kind_of_targets_is_learnt(task):
    def change(corpus):
        index = np.arange(len(corpus.y)) % 2
        y = np.eye(2, dtype=np.float32)[index]
        if task == "regression":
            y = corpus.x.mean(1)[:, :2] * 100
        elif task != "multi_class":
            y[corpus.split == "val"] = [1, 0]
        name = task if task in ("multi_class", "regression") else "multi_label"
        mask = np.ones_like(y, dtype=bool)
        return replace(corpus, y=y, mask=mask, classes=("a", "b"), activity=None, task=name)

    [fitted], data, _, val = tuned(QUICK, of_instances(), Changed(Tiny(), change), [MORE])
    told = torch.from_numpy(scores(fitted, data, "val"))
    if task == "regression":
        loss = (told - val.y).square().mean()
    else:
        picked = told.where(val.y == 1, 1 - told) if "one" in task else told[val.y == 1]
        loss = -picked.log().mean()
    assert fitted.val_loss == pytest.approx(loss.item(), rel=1e-4)


def test_a_single_clip_and_a_gru_can_be_trained():
    torch.manual_seed(0)
    encoder = GRUEncoder(8, hidden=4)
    [fitted], *_ = tuned(QUICK, encoder, Tiny(), [FEW[:1]])
    assert math.isfinite(fitted.val_loss)


def test_lightning_says_nothing_and_leaves_nothing(tmp_path, monkeypatch, caplog, recwarn, capsys):
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.INFO):
        tuned(QUICK, of_instances(), Tiny(), [FEW])
    assert not caplog.records
    assert not recwarn.list
    assert capsys.readouterr().out == ""
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_learnt_is_refused():
    data = SemiSupervisedDataModule(Tiny(), batch_size=8)
    encoder = of_instances()
    train, val = embedded(encoder, data, "train"), embedded(encoder, data, "val")
    hidden = train._replace(mask=torch.zeros_like(train.mask))
    for from_linear in (True, False):
        settings = replace(QUICK, from_linear=from_linear)
        with pytest.raises(InputError, match="label"):
            settings.fit(encoder, data, hidden, [FEW], val, CPU)
    with torch.no_grad():
        encoder.layers[1].weight[0, 0] = torch.nan
    with pytest.raises(InputError, match="never finite"):
        FROM_ZERO.fit(encoder, data, train, [FEW], val, CPU)
    sound = SemiSupervisedDataModule(TinySound(), batch_size=8)
    with pytest.raises(InputError, match=r"crop_seconds=0\.5 is shorter"):
        replace(SOUND, crop_seconds=0.5).fit(of_sound(), sound, train, [FEW], val, CPU)


@pytest.mark.parametrize(
    "settings",
    [
        {"rates": ()},
        {"rates": (0.1, 0)},
        {"rates": 0.001},
        {"epochs": 0},
        {"patience": 0},
        {"batch_size": 1},
        {"weight_decay": -0.1},
    ],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InputError, match=f"probe.{next(iter(settings))} must be"):
        FineTune(**settings)
