"""Thresholds and temperatures, by brute force and by the law that made the labels."""

import itertools

import numpy as np
import pytest
from scipy.ndimage import median_filter
from scipy.optimize import minimize_scalar
from scipy.stats import pearsonr
from sklearn.metrics import f1_score

from musicssl.evaluation.decisions import (
    Decisions,
    best_thresholds,
    calibrated,
    choose_decisions,
    choose_events,
    class_temperatures,
    f1_at,
    log_loss,
    reliability,
    share_correlation,
    shared_temperature,
)


def drawn(seed, num_clips=40, num_classes=5):
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random((num_clips, num_classes)), 2).astype(np.float32)  # with ties
    targets = (rng.random(scores.shape) < 0.3 + 0.4 * scores).astype(np.float32)
    return scores, targets, rng.random(scores.shape) < 0.7


def greatest_f1(scores, targets):
    """Try a threshold below, between and above all scores."""
    values = np.unique(scores).astype(np.float64)
    between = [a + (b - a) / 2 for a, b in itertools.pairwise(values)]
    cuts = [values[0] - 1, *between, values[-1] + 1]
    return max(f1_score(targets, scores >= cut, zero_division=0) for cut in cuts)


@pytest.mark.parametrize("seed", range(8))
def test_a_threshold_has_the_greatest_f1_of_all(seed):
    scores, targets, mask = drawn(seed)
    thresholds = best_thresholds(scores, targets, mask)
    f1 = f1_at(thresholds, scores, targets, mask)
    for c in range(scores.shape[1]):
        seen = mask[:, c]
        assert f1[c] == pytest.approx(greatest_f1(scores[seen, c], targets[seen, c]))
        assert f1[c] == pytest.approx(
            f1_score(targets[seen, c], scores[seen, c] >= thresholds[c], zero_division=0)
        )


def test_a_threshold_lies_midway_and_near_a_half_where_several_are_as_good():
    scores = np.array([[0.9], [0.3], [0.1]], np.float32)
    targets = np.array([[1.0], [0.0], [0.0]], np.float32)
    assert best_thresholds(scores, targets, np.ones_like(scores, bool)) == pytest.approx([0.6])
    assert best_thresholds(scores, 0 * targets, np.ones_like(scores, bool)) == 0.5
    assert best_thresholds(scores, targets, np.zeros_like(scores, bool)) == 0.5


@pytest.mark.parametrize("seed", range(4))
def test_a_temperature_has_the_least_log_loss(seed):
    """Oracle: the scalar optimiser of SciPy."""
    scores, targets, mask = drawn(seed)
    found = class_temperatures(scores, targets, mask)
    for c, temperature in enumerate(found):
        rows = mask[:, c]
        column = scores[rows, c : c + 1], targets[rows, c : c + 1], mask[rows, c : c + 1]

        def loss(log_temperature, column=column):
            scores, targets, mask = column
            fitted = calibrated("multi_label", scores, np.exp(log_temperature))
            return log_loss(fitted, targets, mask)

        best = minimize_scalar(loss, bounds=(np.log(1 / 20), np.log(20)), method="bounded")
        assert loss(np.log(temperature)) <= best.fun + 1e-6


def test_a_temperature_finds_the_law_that_made_the_labels():
    rng = np.random.default_rng(0)
    z = rng.normal(0, 2, (20_000, 2))
    targets = (rng.random(z.shape) < 1 / (1 + np.exp(-z / [2.0, 0.5]))).astype(np.float32)
    found = class_temperatures(1 / (1 + np.exp(-z)), targets, np.ones(z.shape, bool))
    assert found == pytest.approx([2.0, 0.5], rel=0.06)


def test_a_softmax_has_one_temperature():
    rng = np.random.default_rng(0)
    z = rng.normal(0, 3, (20_000, 4))
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    cooler = p ** (1 / 3) / (p ** (1 / 3)).sum(1, keepdims=True)
    answers = (cooler.cumsum(1) > rng.random((len(z), 1))).argmax(1)
    targets = np.eye(4, dtype=np.float32)[answers]
    found = shared_temperature(p, targets, np.ones(z.shape, bool))
    assert found == pytest.approx([3.0] * 4, rel=0.05)
    assert calibrated("multi_class", p, found) == pytest.approx(cooler, abs=0.02)


def test_a_class_without_both_values_is_left_as_it_is():
    scores, targets, mask = drawn(0)
    targets[:, 0], targets[:, 1], mask[:, 2] = 1, 0, False
    assert (class_temperatures(scores, targets, mask)[:3] == 1).all()
    assert (shared_temperature(scores, targets, np.zeros_like(mask)) == 1).all()


def test_reliability_is_the_loop_over_bins():
    scores, targets, mask = drawn(3)
    curve = reliability(scores, targets, mask, bins=5)
    for b in range(5):
        inside = mask & (scores >= b / 5) & ((scores < (b + 1) / 5) | (b == 4))
        assert curve.counts[b] == inside.sum()
        assert curve.predicted[b] == pytest.approx(scores[inside].mean())
        assert curve.observed[b] == pytest.approx(targets[inside].mean())
    assert curve.error == pytest.approx(
        (curve.counts * np.abs(curve.observed - curve.predicted)).sum() / mask.sum()
    )


def test_events_have_the_best_filter_and_threshold_of_all():
    """Oracle: decisions at every threshold, filtered by the median of SciPy."""
    rng = np.random.default_rng(0)
    activity = np.repeat(rng.random((12, 5, 2)) < 0.4, 4, axis=1)  # (N, 20, C), slow
    scores = (0.3 * activity + rng.random(activity.shape) * [0.9, 0.4]).astype(np.float32)
    valid = np.arange(20) < rng.integers(8, 21, 12)[:, None]
    mask = rng.random((12, 2)) < 0.8
    thresholds, seconds = choose_events(scores, activity, valid, mask, instance_seconds=0.5)
    for c in range(2):

        def f1(cut, width, c=c):
            decided, truth = [], []
            for clip in np.flatnonzero(mask[:, c]):
                on = (scores[clip, valid[clip], c] >= cut).astype(int)
                decided.append(median_filter(on, width, mode="nearest"))
                truth.append(activity[clip, valid[clip], c])
            return f1_score(np.concatenate(truth), np.concatenate(decided))

        cuts = np.unique(scores[:, :, c])[::7]
        best = max(f1(cut, width) for cut in cuts for width in (1, 3, 5, 7, 9))
        width = max(1, round(seconds[c] / 0.5))
        assert f1(thresholds[c], width) >= best - 1e-9
    assert seconds[0] > 0  # the noisy class needs a filter


def test_plain_values_round_trip_and_others_are_refused():
    chosen = choose_decisions("multi_label", *drawn(1))
    again = Decisions.of_plain(chosen.plain(), 5)
    assert (again.thresholds == chosen.thresholds).all()
    assert (again.temperatures == chosen.temperatures).all()
    plain = chosen.plain()
    bad = [None, [], {}, plain | {"thresholds": [0.5] * 4}, plain | {"temperatures": [0.0] * 5}]
    bad += [plain | {"thresholds": [float("nan")] * 5}, plain | {"num_clips": "many"}]
    bad += [plain | {"event_thresholds": [0.5] * 5, "median_seconds": 1}]
    assert all(Decisions.of_plain(values, 5) is None for values in bad)
    events = Decisions(*drawn(2)[0][:2].astype(float) + 1, 3, np.ones(5), np.zeros(5))
    assert Decisions.of_plain(events.plain(), 5).plain() == events.plain()
    assert choose_decisions("regression", *drawn(1)) is None


def test_the_correlation_with_shares_is_pearsons():
    rng = np.random.default_rng(0)
    thresholds, shares = rng.random(8), rng.random(8)
    shares[3] = np.nan
    kept = np.arange(8) != 3
    expected = pearsonr(thresholds[kept], shares[kept]).statistic
    assert share_correlation(thresholds, shares) == pytest.approx(expected)
    assert share_correlation(np.full(8, 0.5), shares) is None
    assert share_correlation(thresholds[:2], shares[:2]) is None
