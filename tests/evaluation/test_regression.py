"""Oracle: scikit-learn and SciPy, target by target, on the observed rows."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from sklearn.metrics import r2_score, root_mean_squared_error
from torch import Tensor

from musicssl.errors import InputError
from musicssl.evaluation.metrics import macro
from musicssl.evaluation.regression import regression_metrics


def predicted(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randn(80, 4, generator=generator) * torch.tensor([1.0, 5.0, 0.1, 100.0]) + 3
    noise = torch.tensor([0.1, 5.0, 1.0, 50.0])
    predictions = targets + noise * torch.randn(80, 4, generator=generator)
    return predictions, targets, torch.rand(80, 4, generator=generator) < 0.5


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_scikit_learn_and_scipy(seed: int) -> None:
    predictions, targets, mask = predicted(seed)
    per_class, overall = regression_metrics(predictions, targets, mask)
    assert list(per_class) == ["r2", "rmse", "pearson", "observed"]
    for c in range(4):
        seen = mask[:, c]
        guess, truth = predictions[seen, c].double().numpy(), targets[seen, c].double().numpy()
        expected = [
            r2_score(truth, guess),
            root_mean_squared_error(truth, guess),
            pearsonr(truth, guess).statistic,
            len(truth),
        ]
        np.testing.assert_allclose([values[c] for values in per_class.values()], expected)
    assert per_class["r2"].min() < 0 < per_class["r2"].max()
    assert overall == macro(per_class)


def test_what_was_not_observed_does_not_count() -> None:
    predictions, targets, mask = predicted(0)
    hidden = [values.where(mask, torch.nan) for values in (predictions, targets)]
    assert (
        regression_metrics(*hidden, mask).macro
        == regression_metrics(predictions, targets, mask).macro
    )


def test_the_mean_of_the_targets_explains_nothing() -> None:
    targets = torch.tensor([[1.0], [2.0], [6.0]])
    per_class = regression_metrics(torch.full((3, 1), 3.0), targets, targets > 0).per_class
    assert per_class["r2"].item() == 0
    assert per_class["rmse"].item() == pytest.approx(math.sqrt(14 / 3))
    assert per_class["pearson"].isnan()  # a constant prediction is correlated with nothing


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e6])
def test_a_constant_target_determines_neither_r2_nor_correlation(value: float) -> None:
    """0.1 three times has a mean that is not 0.1 in floating point."""
    targets, mask = torch.full((3, 1), value), torch.ones(3, 1, dtype=torch.bool)
    per_class = regression_metrics(torch.tensor([[1.0], [2.0], [3.0]]), targets, mask).per_class
    assert per_class["r2"].isnan()
    assert per_class["pearson"].isnan()
    assert per_class["rmse"].isfinite()


def test_a_target_that_was_never_observed_and_no_clips_at_all_are_nan() -> None:
    predictions, targets, mask = predicted(1)
    mask[:, 2] = False
    per_class, overall = regression_metrics(predictions, targets, mask)
    assert per_class["observed"][2] == 0
    for key in ("r2", "rmse", "pearson"):
        assert per_class[key].isnan().tolist() == [False, False, True, False]
        others = per_class[key][[0, 1, 3]].mean().item()
        assert overall[key] == pytest.approx(others)
    nothing = regression_metrics(predictions[:0], targets[:0], mask[:0])
    assert all(math.isnan(value) for value in nothing.macro.values())


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_prediction_that_is_not_finite_is_refused(value: float) -> None:
    predictions, mask = torch.tensor([[0.5], [value]]), torch.ones(2, 1, dtype=torch.bool)
    with pytest.raises(InputError, match="lower the learning rate"):
        regression_metrics(predictions, torch.tensor([[0.0], [1.0]]), mask)
