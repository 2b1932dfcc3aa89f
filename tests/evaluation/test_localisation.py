"""Oracle: a slow loop over clips and classes with scikit-learn."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from musicssl.evaluation.localisation import localisation_metrics

KEYS = ["auroc_weighted", "auroc_instance", "auroc_within_weighted", "auroc_within_instance"]
Bag = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]


def bags(seed: int = 0, num_clips: int = 30, decimals: int = 2) -> Bag:
    rng = np.random.default_rng(seed)
    shape = (num_clips, 7, 4)
    scores = rng.random(shape).round(decimals).astype(np.float32)
    weights = rng.random(shape).round(decimals).astype(np.float32)
    activity = rng.random(shape) < 0.4
    activity[: num_clips // 3, :, 0] = False  # clips in which a class is silent throughout
    activity[: num_clips // 4, :, 1] = True  # or only sounds
    valid = np.arange(7) < rng.integers(1, 8, size=(num_clips, 1))
    return scores, weights, activity, valid


def slow_loop(
    detector: NDArray[np.float64], activity: NDArray[np.bool_], valid: NDArray[np.bool_], c: int
) -> tuple[float, float]:
    pooled = roc_auc_score(activity[valid][:, c], detector[valid][:, c])
    within = []
    for clip in range(len(detector)):
        sounds, value = activity[clip, valid[clip], c], detector[clip, valid[clip], c]
        if sounds.any() and not sounds.all():
            within.append(roc_auc_score(sounds, value))
    return pooled, float(np.mean(within))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("decimals", [1, 6], ids=["ties", "no ties"])
def test_agrees_with_a_slow_loop(seed: int, decimals: int) -> None:
    scores, weights, activity, valid = bags(seed, decimals=decimals)
    metrics = localisation_metrics(scores, weights, activity, valid)
    assert list(metrics) == KEYS
    exact = scores.astype(np.float64), weights.astype(np.float64)
    for name, detector in {"weighted": exact[0] * exact[1], "instance": exact[0]}.items():
        for c in range(4):
            pooled, within = slow_loop(detector, activity, valid, c)
            assert metrics[f"auroc_{name}"][c] == pytest.approx(pooled, abs=1e-12)
            assert metrics[f"auroc_within_{name}"][c] == pytest.approx(within, abs=1e-12)


@pytest.mark.parametrize("padding", [np.nan, np.inf, -1.0, 2.0])
def test_padding_may_hold_anything(padding: float) -> None:
    scores, weights, activity, valid = bags()
    expected = localisation_metrics(scores, weights, activity, valid)
    scores[~valid], weights[~valid], activity[~valid] = padding, 0, True
    actual = localisation_metrics(scores, weights, activity, valid)
    for key in KEYS:
        np.testing.assert_array_equal(actual[key], expected[key])


def test_without_padding_valid_may_be_left_out() -> None:
    scores, weights, activity, valid = bags()
    expected = localisation_metrics(scores, weights, activity, np.ones_like(valid))
    actual = localisation_metrics(scores, weights, activity, None)
    for key in KEYS:
        np.testing.assert_array_equal(actual[key], expected[key])


def test_perfect_scores_reach_one_and_inverted_ones_zero() -> None:
    _, weights, activity, valid = bags()
    ones = np.ones_like(weights)
    perfect = localisation_metrics(activity.astype(np.float32), ones, activity, valid)
    inverted = localisation_metrics(1 - activity.astype(np.float32), ones, activity, valid)
    for key in KEYS:
        np.testing.assert_array_equal(perfect[key], 1)
        np.testing.assert_array_equal(inverted[key], 0)


def test_constant_weights_change_nothing() -> None:
    scores, weights, activity, valid = bags(decimals=6)
    metrics = localisation_metrics(scores, np.full_like(weights, 0.1), activity, valid)
    np.testing.assert_array_equal(metrics["auroc_weighted"], metrics["auroc_instance"])
    np.testing.assert_array_equal(
        metrics["auroc_within_weighted"], metrics["auroc_within_instance"]
    )


def test_scores_that_differ_in_their_last_bit_are_not_made_ties_by_their_weight() -> None:
    neighbours = np.float32(0.9).view(np.int32) + np.arange(16, dtype=np.int32)
    scores = neighbours.view(np.float32).reshape(1, 16, 1)
    weights = np.full_like(scores, 0.07)
    assert len(np.unique(scores * weights)) < 16  # float32 makes ties of them
    metrics = localisation_metrics(scores, weights, np.arange(16).reshape(1, 16, 1) % 2 == 1)
    assert metrics["auroc_weighted"][0] == metrics["auroc_instance"][0]


def test_the_order_of_clips_and_of_instances_changes_nothing() -> None:
    bag = bags()
    expected = localisation_metrics(*bag)
    rng = np.random.default_rng(1)
    clips, instances = rng.permutation(30), rng.permutation(7)
    actual = localisation_metrics(*(array[clips][:, instances] for array in bag))
    for key in KEYS:
        np.testing.assert_allclose(actual[key], expected[key], atol=1e-14)


def test_random_scores_are_near_one_half() -> None:
    rng = np.random.default_rng(0)
    shape = (500, 10, 3)
    metrics = localisation_metrics(rng.random(shape), rng.random(shape), rng.random(shape) < 0.3)
    for key in KEYS:
        np.testing.assert_allclose(metrics[key], 0.5, atol=0.03)


def test_knowing_which_clip_but_not_when_is_rewarded_by_the_pooled_area_alone() -> None:
    rng = np.random.default_rng(0)
    activity = rng.random((40, 10, 1)) < 0.5
    activity[:20] = False
    knows_which = np.repeat(activity.any(axis=1, keepdims=True), 10, axis=1).astype(np.float64)
    metrics = localisation_metrics(knows_which, np.ones_like(knows_which), activity)
    silent_beside, silent = (~activity[20:]).sum(), (~activity).sum()
    assert metrics["auroc_within_instance"][0] == 0.5
    assert metrics["auroc_instance"][0] == pytest.approx(1 - silent_beside / silent / 2)


def test_what_the_truth_does_not_determine_is_nan() -> None:
    activity = np.zeros((2, 3, 3), dtype=np.bool_)  # class 0 never sounds
    activity[..., 1] = True  # class 1 is never silent
    activity[0, :, 2] = True  # class 2 does both, but in no clip
    scores = activity.astype(np.float64)
    metrics = localisation_metrics(scores, np.ones_like(scores), activity)
    np.testing.assert_array_equal(metrics["auroc_instance"], [np.nan, np.nan, 1])
    np.testing.assert_array_equal(metrics["auroc_within_instance"], [np.nan, np.nan, np.nan])


def test_inputs_are_left_as_they_are() -> None:
    bag = bags()
    copies = [array.copy() for array in bag]
    localisation_metrics(*bag)
    for array, copy in zip(bag, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_what_nobody_asked_about_does_not_count():
    """As if the clips in which a class was not observed were not there."""
    rng = np.random.default_rng(0)
    scores, weights = rng.random((2, 20, 6, 3))
    activity, mask = rng.random((20, 6, 3)) < 0.4, rng.random((20, 3)) < 0.6
    found = localisation_metrics(scores, weights, activity, mask=mask)
    for c in range(3):
        seen = mask[:, c]
        alone = localisation_metrics(scores[seen], weights[seen], activity[seen])
        for name, values in alone.items():
            assert found[name][c] == pytest.approx(values[c], abs=1e-12)
