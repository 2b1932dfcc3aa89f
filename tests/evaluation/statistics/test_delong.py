"""Oracles: double loops from the formulas of 1988, musicssl.evaluation.metrics, and a bootstrap
over clips."""

import numpy as np
import pytest
import torch

from musicssl.evaluation.metrics import per_class_metrics
from musicssl.evaluation.statistics.delong import macro_auroc, placements
from tests.support.delong import slow_covariance, slow_placements


def draw(num_clips, num_classes=1, seed=0, decimals=1):
    """Scores with many ties, (N, C), what is present, and what was observed."""
    rng = np.random.default_rng(seed)
    present = rng.random((num_clips, num_classes)) < 0.4
    scores = (present + rng.normal(size=present.shape)).round(decimals)
    return scores, present, rng.random(present.shape) < 0.6


def test_placements_are_those_of_the_formula_ties_included():
    rng = np.random.default_rng(1)
    positives, negatives = rng.integers(0, 6, 17), rng.integers(0, 5, 23)
    for ours, theirs in zip(
        placements(positives, negatives), slow_placements(positives, negatives), strict=True
    ):
        np.testing.assert_allclose(ours, theirs)


def test_auroc_is_that_of_the_metrics_with_masks_and_classes_of_one_value():
    scores, present, mask = draw(80, 5)
    scores = (1 / (1 + np.exp(-scores))).astype(np.float32)
    mask[:, 1], present[:, 2] = False, True
    tensors = map(torch.from_numpy, (scores, present.astype(np.float32), mask))
    expected = per_class_metrics(*tensors)["auroc"]
    result = macro_auroc(scores, present, mask)
    np.testing.assert_allclose(result.per_class, expected, atol=1e-6)
    assert np.isnan(result.per_class).tolist() == [False, True, True, False, False]
    assert result.macro == pytest.approx(float(expected.nanmean()), abs=1e-6)


def test_the_variance_of_one_class_is_that_of_delong():
    scores, present, _ = draw(40)
    result = macro_auroc(scores, present, np.ones_like(present))
    expected = slow_covariance(scores[:, 0], scores[:, 0], present[:, 0])
    assert (result.influence**2).sum() == pytest.approx(expected)


def test_the_covariance_of_two_classifiers_is_that_of_delong():
    scores, present, _ = draw(40)
    other = (scores + np.random.default_rng(5).normal(size=scores.shape)).round(1)
    everything = np.ones_like(present)
    a, b = (macro_auroc(s, present, everything).influence for s in (scores, other))
    assert a @ b == pytest.approx(slow_covariance(scores[:, 0], other[:, 0], present[:, 0]))


def test_the_variance_of_a_macro_mean_is_that_of_a_bootstrap_over_clips():
    scores, present, mask = draw(500, 4)
    scores[:, 1], present[:, 1] = scores[:, 0], present[:, 0]  # classes that go together
    rng = np.random.default_rng(2)
    redrawn = []
    for _ in range(400):
        rows = rng.integers(0, 500, 500)
        redrawn.append(macro_auroc(scores[rows], present[rows], mask[rows]).macro)
    ours = np.sqrt((macro_auroc(scores, present, mask).influence ** 2).sum())
    assert ours == pytest.approx(np.std(redrawn), rel=0.12)


def test_unobserved_targets_do_not_matter():
    scores, present, mask = draw(60, 3)
    mask[7] = False
    result = macro_auroc(scores, present, mask)
    changed = macro_auroc(np.where(mask, scores, 9.0), present | ~mask, mask)
    np.testing.assert_array_equal(result.per_class, changed.per_class)
    np.testing.assert_array_equal(result.influence, changed.influence)
    assert result.influence[7] == 0


def test_only_the_order_of_scores_matters():
    scores, present, mask = draw(60, 3)
    np.testing.assert_array_equal(
        macro_auroc(scores, present, mask).influence,
        macro_auroc(np.exp(scores), present, mask).influence,
    )


def test_a_single_positive_leaves_the_part_of_the_negatives():
    scores = np.array([[0.5], [0.1], [0.7], [0.3]])
    present = np.array([[True], [False], [False], [False]])
    result = macro_auroc(scores, present, np.ones_like(present))
    assert result.macro == pytest.approx(2 / 3)
    placed = np.array([1, 0, 1])  # of the negatives
    np.testing.assert_allclose(result.influence, [0, *(placed - 2 / 3) / np.sqrt(6)])
