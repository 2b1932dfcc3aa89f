"""Oracles: the share of resamples, DeLong's paired test, Holm's rule, and false alarms under H0."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from musicssl.evaluation.statistics.bootstrap import estimates, interval, replicates
from musicssl.evaluation.statistics.delong import macro_auroc
from musicssl.evaluation.statistics.paired import Comparison, compare, corrected
from musicssl.evaluation.tasks import MULTI_LABEL


def two_models(rng, num_clips, gain=0.0):
    """Scores, (2, N, 1), targets and mask; what makes a clip hard is partly common to both."""
    present = rng.random((num_clips, 1)) < 0.3
    common = 0.7 * rng.normal(size=present.shape)
    own = 0.7 * rng.normal(size=(2, *present.shape))
    quality = np.array([1 + gain, 1])[:, None, None]
    scores = 1 / (1 + np.exp(-quality * present - common - own))
    parts = scores, present.astype(np.float32), np.ones_like(present)
    return [torch.from_numpy(part) for part in parts]


def compared(rng, num_clips, gain=0.0, resamples=1000, seed=0):
    models = two_models(rng, num_clips, gain)
    found = replicates(*models, MULTI_LABEL, ["auroc"], resamples=resamples, seed=seed)["auroc"]
    value = estimates(*models, MULTI_LABEL, ["auroc"])["auroc"]
    return compare(*found, *map(float, value)), models


def test_the_p_value_counts_resamples_on_the_other_side():
    a = np.array([0.5, 0.6, 0.7, 0.8, 0.4, 0.9, 0.7, 0.8, 0.9])
    result = compare(a, np.full(9, 0.45), 0.7, 0.45)
    assert result.p == pytest.approx(2 * (1 + 1) / (1 + 9))
    assert result.difference == pytest.approx(0.25)
    assert (result.low, result.high) == pytest.approx(tuple(np.quantile(a, [0.025, 0.975]) - 0.45))


def test_the_other_way_round_it_is_the_same_with_the_other_sign():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 99))
    there, back = compare(a, b, 0.6, 0.5), compare(b, a, 0.5, 0.6)
    assert there.p == back.p
    assert (there.difference, there.low, there.high) == pytest.approx(
        (-back.difference, -back.high, -back.low)
    )


def test_a_model_does_not_differ_from_itself():
    scores = np.random.default_rng(0).random(50)
    assert compare(scores, scores, 0.7, 0.7) == Comparison(0, 0, 0, 1)


def test_the_least_p_value_is_that_of_the_number_of_resamples():
    certain = compare(np.ones(999), np.zeros(999), 1, 0)
    assert certain.p == pytest.approx(2 / 1000)
    assert certain.p_is_bound
    one_against = compare(np.r_[np.ones(998), -1], np.zeros(999), 1, 0)
    assert one_against.p == pytest.approx(4 / 1000)
    assert not one_against.p_is_bound


@pytest.mark.parametrize("level", [0.95, 0.8])
@pytest.mark.parametrize("resamples", [99, 100, 1000])
def test_an_interval_holds_no_0_if_p_is_below_its_level_and_hardly_ever_else(level, resamples):
    alpha, rng = 1 - level, np.random.default_rng(0)
    for shift in np.linspace(-3, 3, 61):
        result = compare(rng.normal(shift, 1, resamples), np.zeros(resamples), shift, 0, level)
        holds_0 = result.low <= 0 <= result.high
        if result.p < alpha:
            assert not holds_0
        elif result.p > alpha + 4 / (resamples + 1):
            assert holds_0


def test_resamples_that_do_not_define_both_are_left_out():
    nan = np.nan
    a, b = np.array([0.5, nan, 0.7, 0.9]), np.array([0.4, 0.2, nan, 0.6])
    assert compare(a, b, 0.5, 0.4) == compare(a[[0, 3]], b[[0, 3]], 0.5, 0.4)
    nothing = compare(np.full(4, nan), b, 0.5, 0.4)
    assert nothing.p == 1
    assert not nothing.p_is_bound
    assert np.isnan([nothing.low, nothing.high]).all()


def test_it_is_nearly_delongs_paired_test():
    for seed, gain in enumerate([0.0, 0.15, 0.3]):
        result, (scores, present, mask) = compared(
            np.random.default_rng(seed), 500, gain, resamples=4000
        )
        truth = present.numpy() > 0, mask.numpy()
        a, b = (macro_auroc(one.numpy(), *truth) for one in scores)
        error = np.sqrt(((a.influence - b.influence) ** 2).sum())
        assert result.difference == pytest.approx(a.macro - b.macro)
        half = norm.ppf(0.975) * error
        expected = result.difference - half, result.difference + half
        assert (result.low, result.high) == pytest.approx(expected, abs=0.15 * half)
        assert result.p == pytest.approx(2 * norm.sf(abs(result.difference) / error), abs=0.03)


def test_pairing_makes_a_difference_surer_than_the_scores_are():
    scores, present, mask = two_models(np.random.default_rng(1), 300)
    a, b = replicates(scores, present, mask, MULTI_LABEL, ["auroc"])["auroc"]
    low, high = interval(a - b)
    unpaired_low, unpaired_high = interval(a - b[::-1])  # other resamples for the one
    assert high - low < 0.85 * (unpaired_high - unpaired_low)


@pytest.mark.slow
def test_one_time_in_ten_models_that_are_alike_differ_at_a_level_of_a_tenth():
    rng = np.random.default_rng(7)
    p = [compared(rng, 150, resamples=200, seed=draw)[0].p for draw in range(300)]
    false_alarms = np.mean(np.array(p) < 0.1)
    assert 0.05 < false_alarms < 0.15  # three standard errors of 300 draws
    assert 0.4 < np.mean(p) < 0.6


def test_several_comparisons_are_corrected_by_holms_rule():
    alone = [Comparison(0.1, 0.0, 0.2, p) for p in (0.01, 0.04, 0.03)]
    together = corrected(alone)
    assert [one.p_holm for one in together] == pytest.approx([0.03, 0.06, 0.06])
    assert [one.p for one in together] == [0.01, 0.04, 0.03]
    assert corrected([]) == []
