"""Mutual information against loops over pairs of clips, scikit-learn, and known distributions."""

import math

import numpy as np
import pytest
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression
from sklearn.metrics import mutual_info_score

from musicssl.errors import InputError
from musicssl.evaluation.latents.estimators import Histogram, Neighbours


def drawn(count, seed=0):
    """Return three latent columns, and attributes: continuous, of 7 values, and of 2."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(count, 3)) * [1, 20, 0.01] + [0, 5, 0]
    noisy = z[:, 0] + 0.2 * rng.normal(size=count)
    steps = np.clip(np.round(z[:, 1] / 10), -3, 3)
    return z, np.column_stack([noisy, steps, rng.integers(2, size=count)])


KINDS = [False, True, True]


def scikit(z, a, kinds, k=3):
    found = [
        (mutual_info_classif if d else mutual_info_regression)(
            z, a[:, i], n_neighbors=k, random_state=0
        )
        for i, d in enumerate(kinds)
    ]
    return np.column_stack(found)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_neighbours_are_those_of_scikit_learn(k):
    z, a = drawn(600)
    ours = Neighbours(k)(z, a, [False] * 3, KINDS)
    np.testing.assert_allclose(ours, scikit(z, a, KINDS, k), rtol=0, atol=1e-12)


def test_equal_values_are_parted_as_scikit_learn_does():
    _, a = drawn(600)
    ours = Neighbours()(a, a, KINDS, KINDS)
    np.testing.assert_allclose(ours, scikit(a, a, KINDS), rtol=0, atol=2e-3)
    assert ours[1, 1] == pytest.approx(mutual_info_score(a[:, 1], a[:, 1]), abs=0.01)


def test_small_groups_and_values_of_one_clip_by_a_loop():
    """Oracle: Ross's formula, written down; a value that a single clip has does not count."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=60), rng.integers(12, size=60).astype(float)
    y[:3], y[3] = 50, 60
    counts = {v: int((y == v).sum()) for v in y}
    kept = [i for i in range(60) if counts[y[i]] > 1]
    terms = []
    for i in kept:
        own = sorted(abs(x[j] - x[i]) for j in kept if y[j] == y[i] and j != i)
        k = min(3, len(own))
        closer = sum(abs(x[j] - x[i]) < own[k - 1] for j in kept)
        terms.append(digamma(k) - digamma(counts[y[i]]) - digamma(closer))
    expected = max(0.0, digamma(len(kept)) + float(np.mean(terms)))
    found = Neighbours()(x[:, None], y[:, None], [False], [True])
    assert len(kept) < 60
    assert found[0, 0] == pytest.approx(expected, abs=1e-12)


def test_two_normal_columns_have_the_information_of_their_correlation():
    rng = np.random.default_rng(0)
    x, y = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=4000).T
    exact = -0.5 * math.log(1 - 0.8**2)
    both = [False], [False]
    assert Neighbours()(x[:, None], y[:, None], *both)[0, 0] == pytest.approx(exact, abs=0.05)
    assert Histogram()(x[:, None], y[:, None], *both)[0, 0] == pytest.approx(exact, abs=0.08)


def test_a_histogram_is_that_of_scikit_learn_in_its_bins():
    z, a = drawn(500)
    found = Histogram(20)(z, a, [False] * 3, KINDS)
    for d in range(3):
        low, high = z[:, d].min(), z[:, d].max()
        binned = np.minimum(((z[:, d] - low) / (high - low) * 20).astype(int), 19)
        for i in (1, 2):
            assert found[d, i] == pytest.approx(mutual_info_score(binned, a[:, i]), abs=1e-12)
    again = Histogram(20)(a, z, KINDS, [False] * 3)
    np.testing.assert_allclose(again, found.T, rtol=0, atol=1e-12)


def test_invalid_sizes_are_refused():
    with pytest.raises(InputError, match="1 or more"):
        Neighbours(0)
    with pytest.raises(InputError, match="2 bins or more"):
        Histogram(1)
    with pytest.raises(InputError, match="more than 3 clips"):
        Neighbours()(np.zeros((3, 1)), np.zeros((3, 1)), [False], [False])
