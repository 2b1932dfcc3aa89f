"""Oracles: musicssl.evaluation.metrics on the repeated clips, and scikit-learn with weights."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from musicssl.evaluation.statistics.resampled_ranking import ranking
from musicssl.evaluation.tasks import MULTI_LABEL
from tests.support.repeated import draw_counts, measured_on_repeated_clips

NAMES = ("auroc", "average_precision")


def partly_observed(decimals, num_clips=60, num_classes=6):
    """Scores, (2, N, C), what is present, (N, C), and what was observed.

    One class is never observed, one always present, one never, and one has a single positive.
    """
    rng = np.random.default_rng(decimals)
    present = rng.random((num_clips, num_classes)) < 0.3
    scores = rng.random((2, num_clips, num_classes)).round(decimals)
    mask = rng.random(present.shape) < 0.6
    mask[:, 1] = False
    present[:, 2], present[:, 3], present[:, 4] = True, False, False
    present[7, 4] = mask[7, 4] = True
    return scores, present, mask


@pytest.mark.parametrize("decimals", [1, 8], ids=["ties", "no ties"])
def test_each_resample_is_measured_as_its_clips_laid_out(decimals):
    scores, present, mask = partly_observed(decimals)
    counts = draw_counts(len(present), 12)
    counts[7, 1] = 0  # without the only positive of a class
    tensors = map(torch.from_numpy, (scores, present.astype(np.float32), mask))
    expected = measured_on_repeated_clips(*tensors, MULTI_LABEL, counts)
    result = ranking(scores, present, mask, counts)
    for name in NAMES:
        np.testing.assert_allclose(result[name], expected[name], atol=1e-6)


@pytest.mark.parametrize("decimals", [1, 8], ids=["ties", "no ties"])
def test_one_class_agrees_with_scikit_learn_which_takes_weights(decimals):
    scores, present, _ = partly_observed(decimals)
    scores, present = scores[:1, :, :1], present[:, :1]
    weights = np.random.default_rng(3).integers(1, 9, (len(present), 5)).astype(np.float64)
    result = ranking(scores, present, np.ones_like(present), weights)
    for b, w in enumerate(weights.T):
        truth, score = present[:, 0], scores[0, :, 0]
        area = roc_auc_score(truth, score, sample_weight=w)
        average = average_precision_score(truth, score, sample_weight=w)
        assert [result[name][0, b] for name in NAMES] == pytest.approx([area, average], abs=1e-12)


def test_a_resample_that_lacks_a_value_is_undefined():
    scores, present = np.array([[[0.9], [0.2], [0.3]]]), np.array([[True], [False], [False]])
    counts = np.array([[3.0, 0, 1], [0, 3, 1], [0, 0, 1]])  # positives, negatives, both
    result = ranking(scores, present, np.ones_like(present), counts)
    np.testing.assert_array_equal(result["auroc"], [[np.nan, np.nan, 1]])
    np.testing.assert_array_equal(result["average_precision"], [[1, np.nan, 1]])


def test_unobserved_targets_do_not_matter():
    scores, present, mask = partly_observed(8)
    counts = draw_counts(len(present))
    changed = ranking(np.where(mask, scores, np.nan), present ^ ~mask, mask, counts)
    for name, values in ranking(scores, present, mask, counts).items():
        np.testing.assert_array_equal(changed[name], values)


def test_equal_scores_rank_no_clip():
    _, present, _ = partly_observed(8)
    present, counts = present[:, :1], draw_counts(len(present))
    result = ranking(np.full((1, *present.shape), 0.3), present, np.ones_like(present), counts)
    np.testing.assert_allclose(result["auroc"], 0.5)
    share = (present.T @ counts) / counts.sum(axis=0)
    np.testing.assert_allclose(result["average_precision"], share)
