"""Oracles: musicssl.evaluation.regression on the repeated clips, and scikit-learn with weights."""

import numpy as np
import torch
from sklearn.metrics import r2_score, root_mean_squared_error

from musicssl.evaluation.statistics.resampled_regression import regression_metrics
from musicssl.evaluation.tasks import REGRESSION
from tests.support.repeated import draw_counts, measured_on_repeated_clips


def predicted(num_clips=40):
    """Predictions, (2, N, 4), targets and mask; one target is constant, one never observed."""
    rng = np.random.default_rng(0)
    far_from_0 = 1e5 + rng.normal(size=(num_clips, 4))
    targets = far_from_0.astype(np.float32)
    predictions = (targets + 0.5 * rng.normal(size=(2, num_clips, 4))).astype(np.float32)
    mask = rng.random(targets.shape) < 0.7
    targets[:, 1], mask[:, 2] = 0.1, False
    return predictions, targets, mask


def test_each_resample_is_measured_as_its_clips_laid_out():
    predictions, targets, mask = predicted()
    counts = draw_counts(len(mask), 12)
    tensors = map(torch.from_numpy, (predictions, targets, mask))
    expected = measured_on_repeated_clips(*tensors, REGRESSION, counts)
    for name, values in regression_metrics(predictions, targets, mask, counts).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-9)


def test_one_target_agrees_with_scikit_learn_which_takes_weights():
    predictions, targets, _ = predicted()
    predictions, targets = predictions[:1, :, :1], targets[:, :1]
    weights = np.random.default_rng(3).integers(1, 9, (len(targets), 4)).astype(np.float64)
    result = regression_metrics(predictions, targets, np.ones_like(targets, bool), weights)
    pair = targets.astype(np.float64), predictions[0].astype(np.float64)
    r2 = [r2_score(*pair, sample_weight=w) for w in weights.T]
    rmse = [root_mean_squared_error(*pair, sample_weight=w) for w in weights.T]
    np.testing.assert_allclose(result["r2"], [r2])
    np.testing.assert_allclose(result["rmse"], [rmse])


def test_a_resample_of_one_value_explains_nothing_however_it_rounds():
    targets = np.array([[0.1], [0.1], [0.7]])
    predictions = np.array([[[0.2], [0.3], [0.4]]])
    counts = np.array([[3.0, 2, 0], [0, 1, 0], [0, 0, 3]])
    result = regression_metrics(predictions, targets, np.ones((3, 1), bool), counts)
    assert np.isnan(result["r2"]).all()
    np.testing.assert_allclose(result["rmse"], [[0.1, np.sqrt(0.02), 0.3]])


def test_unobserved_targets_do_not_matter():
    predictions, targets, mask = predicted()
    counts = draw_counts(len(mask))
    counts[:, 1] = np.where(mask.any(axis=1), 0, 2)  # nothing observed at all
    hidden = (np.where(mask, part, np.nan) for part in (predictions, targets))
    changed = regression_metrics(*hidden, mask, counts)
    for name, values in regression_metrics(predictions, targets, mask, counts).items():
        np.testing.assert_array_equal(changed[name], values)
        assert np.isnan(values[:, 1]).all()
