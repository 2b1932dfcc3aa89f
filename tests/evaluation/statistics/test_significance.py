"""Oracles: the paired tests that ours contains, the mean squares of Obuchowski and Rockette, H0."""

from itertools import permutations, product

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp, ttest_ind

from musicssl.evaluation.statistics.delong import macro_auroc
from musicssl.evaluation.statistics.significance import holm, paired_test, unpaired_test
from tests.support.delong import slow_covariance
from tests.support.equal_methods import simulate


def test_one_seed_and_one_class_is_delongs_paired_test():
    rng = np.random.default_rng(0)
    present = rng.random(50) < 0.4
    a = (present + rng.normal(size=50)).round(1)
    b = (0.3 * present + 0.5 * a + rng.normal(size=50)).round(1)
    results = [macro_auroc(s[:, None], present[:, None], np.ones((50, 1), bool)) for s in (a, b)]
    difference = results[0].macro - results[1].macro
    test = paired_test(
        np.array([difference]), np.stack([results[0].influence - results[1].influence])
    )
    variance = (
        slow_covariance(a, a, present)
        + slow_covariance(b, b, present)
        - 2 * slow_covariance(a, b, present)
    )
    assert test.standard_error**2 == pytest.approx(variance)
    assert test.p == pytest.approx(2 * norm.sf(abs(difference) / np.sqrt(variance)), rel=0.2)
    assert test.dof == 49


def test_without_an_influence_of_clips_it_is_the_t_test_over_seeds():
    differences = np.array([0.01, 0.03, 0.02, 0.05])
    test, theirs = paired_test(differences, np.zeros((4, 30))), ttest_1samp(differences, 0)
    assert test.p == pytest.approx(theirs.pvalue)
    assert test.dof == 3
    assert test.interval == pytest.approx(tuple(theirs.confidence_interval(0.95)))


def test_without_a_variance_of_clips_two_samples_have_welchs_t_test():
    a, b = np.array([0.71, 0.74, 0.69, 0.75]), np.array([0.61, 0.73, 0.64])
    test = unpaired_test(a.mean() - b.mean(), [a, b], 0.0, 30)
    theirs = ttest_ind(a, b, equal_var=False)
    assert test.p == pytest.approx(theirs.pvalue)
    assert test.dof == pytest.approx(theirs.df)
    assert test.interval == pytest.approx(tuple(theirs.confidence_interval(0.95)))


def test_of_one_sample_and_clips_it_is_satterthwaites_sum():
    a = np.array([0.71, 0.74, 0.69])
    of_seeds = a.var(ddof=1) / 3
    test = unpaired_test(0.2, [a], 0.001, 40)
    assert test.standard_error**2 == pytest.approx(of_seeds + 0.001)
    welch = (of_seeds + 0.001) ** 2 / (of_seeds**2 / 2 + 0.001**2 / 39)
    assert test.dof == pytest.approx(welch)
    assert unpaired_test(0.2, [], 0.001, 40).dof == pytest.approx(39)


def test_it_is_the_test_of_obuchowski_and_rockette():
    """F = MS(T) / (MS(TR) + J max(Cov2 - Cov3, 0)), Hillis (2007); for two modalities it is t²."""
    aurocs, influences = simulate(np.random.default_rng(1), num_seeds=4)
    readers = aurocs.shape[1]
    by_method, by_reader = aurocs.mean(axis=1), aurocs.mean(axis=0)
    ms_t = readers * sum((m - aurocs.mean()) ** 2 for m in by_method)
    ms_tr = 0.0
    for i in range(2):
        for j in range(readers):
            ms_tr += (aurocs[i, j] - by_method[i] - by_reader[j] + aurocs.mean()) ** 2
    ms_tr /= readers - 1
    same, other = [], []  # Cov2: one modality, two readers; Cov3: two modalities, two readers
    for i, k in product(range(2), repeat=2):
        for j, other_j in permutations(range(readers), 2):
            (same if i == k else other).append(influences[i, j] @ influences[k, other_j])
    clips = readers * max(np.mean(same) - np.mean(other), 0)
    assert clips > 0
    test = paired_test(aurocs[0] - aurocs[1], influences[0] - influences[1])
    assert (test.difference / test.standard_error) ** 2 == pytest.approx(ms_t / (ms_tr + clips))
    hillis = (ms_tr + clips) ** 2 / (ms_tr**2 / (readers - 1))
    welch = (ms_tr + clips) ** 2 / (ms_tr**2 / (readers - 1) + clips**2 / (60 - 1))
    assert test.dof == pytest.approx(welch)
    assert test.dof < hillis


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_identical_methods_have_p_1(num_seeds):
    test = paired_test(np.zeros(num_seeds), np.zeros((num_seeds, 20)))
    assert test.p == 1
    assert test.interval == (0, 0)


def test_a_difference_that_never_varies_has_p_0():
    assert paired_test(np.full(2, 0.5), np.zeros((2, 20))).p == 0


def test_swapping_the_methods_turns_the_difference_and_nothing_else():
    aurocs, influences = simulate(np.random.default_rng(2))
    there = paired_test(aurocs[0] - aurocs[1], influences[0] - influences[1])
    back = paired_test(aurocs[1] - aurocs[0], influences[1] - influences[0])
    assert there.p == back.p
    assert there.difference == -back.difference


@pytest.mark.parametrize(
    ("effects", "num_seeds"),
    [
        ({}, 3),
        ({"clip_effect": 0.0}, 3),  # where counting what is each training's own twice would show
        ({"own": 0.1, "seed_effect": 0.05}, 3),  # nearly all the variance is the clips'
        ({"seed_effect": 0.0}, 1),
    ],
)
@pytest.mark.slow
def test_one_in_twenty_equal_pairs_is_called_different(effects, num_seeds):
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(600):
        aurocs, influences = simulate(rng, num_seeds, **effects)
        found += paired_test(aurocs[0] - aurocs[1], influences[0] - influences[1]).p < 0.05
    assert 0.025 < found / 600 < 0.075  # binomial: 0.05 ± 2.8 standard errors


def test_holm_by_hand():
    # ascending 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1; never below the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([0.04]) == [0.04]
    assert holm([]) == []
