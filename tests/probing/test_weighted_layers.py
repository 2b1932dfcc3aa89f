"""The probe of weighted layers, against the linear probe and an optimiser of another library."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from musicssl.errors import InputError
from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL, REGRESSION
from musicssl.probing.base import Embeddings
from musicssl.probing.linear import Linear, fit_linear, standardisation
from musicssl.probing.weighted_layers import WeightedLayers, equal_mix, learnt_mix

N, L, D, C = 60, 3, 4, 2
TASKS = pytest.mark.parametrize(
    "task", [MULTI_LABEL, MULTI_CLASS, REGRESSION], ids=lambda t: t.name
)
STRENGTHS = (0.01, 1.0)


def clips(task, seed, informative=1, sizes=(1.0, 30.0, 0.1), count=N):
    """Return clips whose labels show in one layer only; the others are noise."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(count, C, generator=generator)
    y = values if task is REGRESSION else (values > 0).float()
    if task is MULTI_CLASS:
        y = torch.eye(C)[values.argmax(1)]
    directions = torch.randn(C, D, generator=torch.Generator().manual_seed(9))
    h = torch.randn(count, L, D, generator=generator)
    h[:, informative] = 0.8 * h[:, informative] + values @ directions
    h = h * torch.tensor(sizes)[:, None] + 5
    mask = torch.ones(count, C, dtype=torch.bool)
    if task is MULTI_LABEL:
        mask = torch.rand(count, C, generator=generator) < 0.8
    return Embeddings(h, y.where(mask, torch.nan), mask)


@TASKS
@pytest.mark.parametrize("one", [lambda h: h[:, 0], lambda h: h[:, :1]])
def test_with_one_layer_it_is_the_linear_probe(task, one):
    train, val = (c._replace(h=one(c.h)) for c in (clips(task, 0), clips(task, 1)))
    plain = [c._replace(h=c.h.reshape(N, D)) for c in (train, val)]
    subsets = [torch.arange(N), torch.arange(30)]
    expected = Linear(STRENGTHS).fit(plain[0], subsets, plain[1], task)
    found = WeightedLayers(STRENGTHS).fit(train, subsets, val, task)
    for a, b in zip(found, expected, strict=True):
        assert (a.val_loss, a.chosen, a.layer_weights) == (b.val_loss, b.chosen, (1.0,))
        assert torch.equal(a.judge(val.h), b.judge(plain[1].h))


@TASKS
def test_weights_of_one_layer_alone_give_the_linear_probe_of_that_layer(task):
    train, val = clips(task, 0), clips(task, 1)
    equal = equal_mix(train.h)
    for layer in range(L):
        mix = equal._replace(weights=torch.eye(L, dtype=torch.float64)[layer])
        mixed = [c._replace(h=mix(c.h)) for c in (train, val)]
        alone = [c._replace(h=c.h[:, layer]) for c in (train, val)]
        found, expected = (fit_linear(*pair, task, STRENGTHS, 1e-8) for pair in (mixed, alone))
        assert found.val_loss == pytest.approx(expected.val_loss, rel=1e-4)
        a = mixed[1].h @ found.weight.T + found.bias
        b = alone[1].h @ expected.weight.T + expected.bias
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


@TASKS
def test_the_informative_layer_gets_the_greatest_weight_whatever_its_scale(task):
    for informative, sizes in [(1, (1.0, 0.01, 10.0)), (2, (1.0, 1.0, 300.0))]:
        train, val, test = (clips(task, seed, informative, sizes) for seed in range(3))
        [probe] = WeightedLayers(STRENGTHS).fit(train, [torch.arange(N)], val, task)
        assert sum(probe.layer_weights) == pytest.approx(1)
        assert np.argmax(probe.layer_weights) == informative
        equal = equal_mix(train.h)
        parts = [c._replace(h=equal(c.h)) for c in (train, val)]
        assert probe.val_loss <= fit_linear(*parts, task, STRENGTHS).val_loss
        assert probe.judge(test.h).shape == (N, C)


def test_weights_that_do_not_help_on_validation_are_not_kept():
    """On validation another layer knows the labels, so that equal weights are better."""
    train, val = clips(MULTI_LABEL, 0, informative=0), clips(MULTI_LABEL, 1, informative=1)
    [probe] = WeightedLayers(STRENGTHS).fit(train, [torch.arange(N)], val, MULTI_LABEL)
    assert probe.layer_weights == pytest.approx([1 / 3] * 3)


def test_weights_and_probe_minimise_the_objective_together():
    """Oracle: the formula in NumPy, minimised by SciPy's BFGS with numerical gradients."""
    train = clips(MULTI_LABEL, 0)
    equal, strength = equal_mix(train.h), 0.3
    parts = train._replace(h=equal(train.h))
    start = fit_linear(parts, parts, MULTI_LABEL, (strength,), 1e-8)
    found = learnt_mix(equal, start, train, MULTI_LABEL, steps=300)

    h, y, mask = (part.double().numpy() for part in train)
    z = (h - h.mean(0)) / np.sqrt(((h - h.mean(0)) ** 2).mean((0, 2)))[:, None]
    offset, spread = (part.numpy() for part in standardisation(torch.from_numpy(z.mean(1))))

    def objective(values):
        logits, weight = values[:L], values[L : L + C * D].reshape(C, D)
        s = np.exp(logits) / np.exp(logits).sum()
        mixed = (np.tensordot(z, s, axes=(1, 0)) - offset) / spread
        outputs = mixed @ weight.T + values[-C:]
        losses = np.logaddexp(0, outputs) - np.nan_to_num(y) * outputs
        return 0.5 * (weight**2).sum() + strength * (losses * mask).sum()

    initial = np.concatenate([np.zeros(L), np.zeros(C * D), np.zeros(C)])
    best = minimize(objective, initial, method="BFGS", options={"gtol": 1e-6, "maxiter": 500})
    weights = np.exp(best.x[:L]) / np.exp(best.x[:L]).sum()
    np.testing.assert_allclose(found.weights, weights, atol=2e-3)


def test_a_constant_layer_does_no_harm():
    train, val = clips(MULTI_LABEL, 0), clips(MULTI_LABEL, 1)
    for part in (train, val):
        part.h[:, 0] = 0
    [probe] = WeightedLayers(STRENGTHS).fit(train, [torch.arange(N)], val, MULTI_LABEL)
    assert probe.judge(val.h).isfinite().all()


def test_the_same_clips_give_the_same_weights():
    train, val = clips(MULTI_LABEL, 0), clips(MULTI_LABEL, 1)
    probe = replace(WeightedLayers(), strengths=STRENGTHS)
    a, b = (probe.fit(train, [torch.arange(40)], val, MULTI_LABEL)[0] for _ in range(2))
    assert a.layer_weights == b.layer_weights


@pytest.mark.parametrize("steps", [0, 2.5])
def test_settings_that_cannot_be_are_refused(steps):
    with pytest.raises(InputError, match=r"probe\.steps must be a whole number from 1 up, got"):
        WeightedLayers(steps=steps)
