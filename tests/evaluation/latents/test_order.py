"""Oracles: SciPy's spearmanr dimension by dimension, scikit-learn's regression, orders by hand."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import LinearRegression

from musicssl.evaluation.latents.measures import measure_latents
from musicssl.evaluation.latents.order import interpretability, scc


def drawn(clips=80, seed=0):
    """Return five dimensions, and attributes: of the third, of the first with ties, of none."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(clips, 5))
    noise = rng.normal(size=(clips, 3))
    a = np.column_stack([np.exp(z[:, 2]), np.round(z[:, 0] + 0.5 * noise[:, 0]), noise[:, 2]])
    return z, a


@pytest.mark.parametrize("seed", range(4))
def test_scc_is_the_largest_significant_rank_correlation(seed):
    z, a = drawn(seed=seed)
    mask = np.random.default_rng(seed).random(a.shape) < 0.8
    for i, value in enumerate(scc(z, a, mask)):
        found = [spearmanr(column[mask[:, i]], a[mask[:, i], i]) for column in z.T]
        known = [abs(one.statistic) for one in found if one.pvalue <= 0.05]
        assert value == pytest.approx(max(known, default=0))


def test_only_the_order_counts_and_its_direction_does_not():
    z, a = drawn()
    assert scc(z, a)[0] == pytest.approx(1)
    np.testing.assert_allclose(scc(-np.sign(z) * z**2, a**3), scc(z, a))


def test_a_correlation_by_chance_counts_as_none():
    rng = np.random.default_rng(5)
    z, a = rng.normal(size=(500, 1)), rng.normal(size=(500, 1))
    assert spearmanr(z[:, 0], a[:, 0]).pvalue > 0.05
    assert scc(z, a).tolist() == [0]


def test_interpretability_is_the_fit_of_a_line():
    z, a = drawn()
    found = interpretability(z, a, [2, 0, None])
    for i, d in enumerate((2, 0)):
        line = LinearRegression().fit(z[:, [d]], a[:, i])
        assert found[i] == pytest.approx(line.score(z[:, [d]], a[:, i]))
    assert np.isnan(found[2])


def test_a_constant_attribute_has_neither_and_a_constant_dimension_tells_nothing():
    z, a = drawn()
    a[:, 1], z[:, 2] = 3.0, 1.0
    assert np.isnan([scc(z, a)[1], interpretability(z, a, [0, 0, 0])[1]]).all()
    assert interpretability(z, a, [2, 0, 0])[0] == 0
    assert scc(z[:, [2]], a)[0] == 0


def test_both_are_among_the_measures_and_start_from_the_dimension_that_tells_most():
    z, a = drawn(clips=300)
    found = measure_latents(z, a, dimensions=[4, 3, 1])  # not those that tell most
    np.testing.assert_array_equal(found.of_attributes["scc"], scc(z, a))
    telling = found.information.most_informative()
    assert telling[:2] == [2, 0]
    expected = interpretability(z, a, telling)
    np.testing.assert_array_equal(found.of_attributes["interpretability"], expected)
    assert set(found.means()) >= {"scc", "interpretability_neighbours"}
