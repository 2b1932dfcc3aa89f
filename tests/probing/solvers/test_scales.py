"""Oracle: scikit-learn's StandardScaler on what was observed."""

import math

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL, REGRESSION
from musicssl.probing.base import Embeddings
from musicssl.probing.solvers.scales import scales_of


def clips():
    generator = torch.Generator().manual_seed(0)
    y = 5 + torch.randn(40, 3, generator=generator) * torch.tensor([1.0, 1000.0, 0.01])
    mask = torch.rand(40, 3, generator=generator) < 0.6
    h = 7 + torch.randn(40, 6, generator=generator) * torch.linspace(0.5, 2, 6)
    return Embeddings(h, y.where(mask, math.nan), mask)


def test_features_and_observed_targets_are_standardised_and_brought_back():
    h, y, mask = clips()
    scales = scales_of(clips(), REGRESSION)
    expected = StandardScaler().fit_transform(h.double().numpy())
    np.testing.assert_allclose(scales.features(h), expected, rtol=1e-9)
    expected = StandardScaler().fit_transform(y.double().numpy())  # leaves out NaN
    np.testing.assert_allclose(scales.targets(y), expected, rtol=1e-9)
    back = scales.values(scales.targets(y))
    torch.testing.assert_close(back[mask], y[mask].double())


@pytest.mark.parametrize("task", [MULTI_LABEL, MULTI_CLASS], ids=lambda task: task.name)
def test_classes_stay_as_they_are(task):
    these = clips()
    scales = scales_of(these, task)
    seen = these.mask
    assert torch.equal(scales.targets(these.y)[seen], these.y[seen].double())
    assert torch.equal(scales.values(these.y)[seen], these.y[seen].double())


def test_a_target_that_is_constant_or_was_never_observed_has_a_unit_of_1():
    h, y, mask = clips()
    y, mask = y.clone(), mask.clone()
    y[:, 0], mask[:, 2] = 0.1, False
    scales = scales_of(Embeddings(h, y, mask), REGRESSION)
    assert scales.unit[[0, 2]].tolist() == [1, 1]
    assert scales.level[0].item() == pytest.approx(0.1)
    assert scales.level[2] == 0
