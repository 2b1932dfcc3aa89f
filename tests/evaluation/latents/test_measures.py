"""Measures against latte-metrics, loops over the formulas, perfect and useless latents."""

import math

import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC

from musicssl.errors import InputError
from musicssl.evaluation.latents.estimators import Histogram
from musicssl.evaluation.latents.gaps import dlig, dmig, mig, modularity, xmig
from musicssl.evaluation.latents.information import Information, is_discrete, measure_information
from musicssl.evaluation.latents.measures import LatentMeasures, measure_latents
from musicssl.evaluation.latents.separability import linear_scores, sap


def shared():
    """Return latent variables, and continuous attributes that depend on three of them."""
    rng = np.random.default_rng(7)
    z = rng.normal(size=(300, 6))
    mixing = np.array([[1.0, 0.3, 0.0], [0.0, 1.0, 0.4], [0.0, 0.0, 1.0]])
    return z, z[:, [2, 0, 5]] @ mixing + 0.3 * rng.normal(size=(300, 3))


# latte-metrics 0.0.1a6 on `shared()`, its seed 0, and on the same attributes rounded to 5 values
LATTE = {
    False: {
        "mig": [0.262503305, 0.1711051615, 0.1794306564],
        "dmig": [0.262503305, 0.1711051615, 0.182368244],
        "xmig": [0.271154327, 0.1785660263, 0.1795119272],
        "dlig": [0.2515592799, 0.1839039731, 0.1805381951],
        "sap": [0.8941825914, 0.7330302528, 0.6984709399],
        "modularity": [0.9972768163, 0.9615170808, 0.9952609134, 1.0, 1.0, 0.9976428117],
    },
    True: {
        "mig": [0.5967350135, 0.4285183062, 0.4188266238],
        "dmig": [0.5967350135, 0.433835287, 0.4301341807],
        "xmig": [0.5967350135, 0.4680892323, 0.4660460815],
        "dlig": [0.5977655445, 0.4793509681, 0.475935329],
        "sap": [0.4133333333, 0.23, 0.3133333333],
        "modularity": [
            *(0.9950000345, 0.9934463855, 0.990297338),
            *(0.8757994831, 0.5458422144, 0.9996764897),
        ],
    },
}


@pytest.mark.parametrize("discrete", [False, True])
def test_values_are_those_of_latte(discrete):
    z, a = shared()
    a = np.clip(np.round(a), -2, 2) if discrete else a
    found = measure_latents(z, a, dimensions=[2, 0, 5])
    assert found.discrete == [discrete] * 3
    assert found.regularised
    for name, values in LATTE[discrete].items():
        ours = found.modularity if name == "modularity" else found.of_attributes[name]
        np.testing.assert_allclose(ours, values, rtol=0, atol=1e-8, err_msg=name)


def test_gaps_of_given_dimensions_may_be_negative_and_are_those_of_latte():
    z, a = shared()
    information = measure_information(z, a)
    dims = [2, 0, 1]
    expected = {
        mig: [0.262503305, 0.1711051615, -0.1938480581],
        dmig: [0.262503305, 0.1711051615, -0.1938480581],
        xmig: [0.262503305, 0.1868816599, -0.1938480581],
        dlig: [0.2515592799, 0.1839039731, -0.0170679539],
    }
    for measure, values in expected.items():
        np.testing.assert_allclose(measure(information, dims), values, rtol=0, atol=1e-8)
    gaps = sap(linear_scores(z, a), dims)
    np.testing.assert_allclose(gaps, [0.8941825914, 0.7330302528, -0.7918523344], atol=1e-9)


def table(latent=7, attributes=4, seed=0):
    rng = np.random.default_rng(seed)
    between = rng.random((attributes, attributes)) + 3 * np.eye(attributes)
    return Information("made up", rng.random((latent, attributes)), between)


def test_formulas_by_loops():
    information, dims = table(), [6, None, 0, 3]
    i_of, h = information.latents, information.attributes
    for i in (0, 2, 3):
        d = dims[i]
        others = {n: i_of[n, i] for n in range(7) if n != d}
        k = max(others, key=others.get)
        shared_by = [m for m in range(4) if dims[m] == k]
        over = h[i, i] - h[i, shared_by[0]] if shared_by else h[i, i]
        assert mig(information, dims)[i] == pytest.approx((i_of[d, i] - others[k]) / h[i, i])
        assert dmig(information, dims)[i] == pytest.approx((i_of[d, i] - others[k]) / over)
        free = max(i_of[n, i] for n in (1, 2, 4, 5))
        assert xmig(information, dims)[i] == pytest.approx((i_of[d, i] - free) / h[i, i])
        rival = max((m for m in range(4) if m != i), key=lambda m: i_of[d, m])
        expected = (i_of[d, i] - i_of[d, rival]) / (h[i, i] - h[i, rival])
        assert dlig(information, dims)[i] == pytest.approx(expected)
    for measure in (mig, dmig, xmig, dlig):
        assert np.isnan(measure(information, dims)[1])
    for d in range(7):
        best = max(i_of[d]) ** 2
        rest = sum((v**2) / best for v in i_of[d]) - 1
        assert modularity(information)[d] == pytest.approx(1 - rest / 3)


@pytest.mark.parametrize("estimator", [None, Histogram()])
def test_a_perfect_latent_has_ones_and_an_independent_one_zeros(estimator):
    rng = np.random.default_rng(0)
    factors = rng.integers(5, size=(4000, 3)).astype(float)
    noise = rng.normal(size=(4000, 2))
    perfect = np.column_stack([factors[:, [1, 2, 0]], noise])
    found = measure_latents(perfect, factors, estimator=estimator)
    assert found.dimensions == [2, 0, 1]
    assert not found.regularised
    means = found.means()
    for name in ("mig", "dmig", "xmig", "dlig", "modularity"):
        assert means[found.named(name)] == pytest.approx(1, abs=0.02), name
    useless = measure_latents(rng.normal(size=(4000, 5)), factors, estimator=estimator)
    for name in ("mig", "dmig", "xmig", "dlig"):
        assert useless.means()[useless.named(name)] == pytest.approx(0, abs=0.02), name
    assert useless.means()["sap"] == pytest.approx(0, abs=0.02)


def test_permuted_factors_and_dimensions_permute_the_measures():
    z, a = shared()
    a = np.column_stack([a[:, :2], np.round(a[:, 2])])
    order, turned = [2, 0, 1], [4, 2, 0, 5, 1, 3]
    dims = [2, 0, 5]
    one = measure_latents(z, a, dimensions=dims)
    moved = [turned.index(dims[i]) for i in order]
    other = measure_latents(z[:, turned], a[:, order], dimensions=moved)
    for name, values in one.of_attributes.items():
        np.testing.assert_allclose(other.of_attributes[name], values[order], atol=1e-9)
    np.testing.assert_allclose(other.modularity, one.modularity[turned], atol=1e-9)


def test_scores_of_discrete_attributes_are_those_of_linear_svc():
    rng = np.random.default_rng(3)
    z = rng.normal(size=(700, 3)) * [1, 0.01, 30]
    ladder = np.clip(np.round(z[:, 0] * 1.5 + 0.4 * rng.normal(size=700)), -2, 2)
    rare = (z[:, 2] > 35).astype(float)
    a = np.column_stack([ladder, rare, rng.integers(9, size=700)])
    found = linear_scores(z, a)
    for d in range(3):
        for i in range(3):
            machine = LinearSVC(C=1, tol=1e-8, max_iter=100_000, dual=False)
            predicted = machine.fit(z[:, [d]], a[:, i]).predict(z[:, [d]])
            assert found[d, i] == pytest.approx((predicted == a[:, i]).mean(), abs=1e-12)


def test_scores_of_continuous_attributes_are_squared_correlations():
    z, a = shared()
    z[:, 4] = 3
    expected = np.corrcoef(np.column_stack([z[:, :4], a]).T)[:4, 4:] ** 2
    np.testing.assert_allclose(linear_scores(z, a)[:4], expected, rtol=1e-10)
    assert not linear_scores(z, a)[4].any()


def test_attributes_count_where_they_were_observed():
    """Oracle: each attribute, and each pair of them, on the clips that have both."""
    z, a = shared()
    mask = np.random.default_rng(0).random(a.shape) < 0.7
    hidden = np.where(mask, a, np.nan)
    found = measure_information(z, hidden, mask)
    for i in range(3):
        alone = measure_information(z[mask[:, i]], a[mask[:, i], i : i + 1])
        np.testing.assert_allclose(found.latents[:, i], alone.latents[:, 0], atol=1e-12)
        assert found.entropies[i] == pytest.approx(alone.entropies[0], abs=1e-6)
        for k in range(i):
            both = mask[:, i] & mask[:, k]
            pair = measure_information(z[both], a[both][:, [i, k]])
            assert found.attributes[i, k] == pytest.approx(pair.attributes[0, 1], abs=1e-6)
    scores = linear_scores(z, hidden, mask)
    np.testing.assert_allclose(scores[:, 1:2], linear_scores(z[mask[:, 1]], a[mask[:, 1], 1:2]))


def test_an_attribute_that_says_nothing_has_no_measures_and_does_not_spoil_others():
    z, a = shared()
    more = np.column_stack([a, np.full(300, 4.0), a[:, 0]])
    mask = np.ones(more.shape, bool)
    mask[5:, 4] = False
    found = measure_latents(z, more, mask, dimensions=[2, 0, 5, 1, 3])
    alone = measure_latents(z, a, dimensions=[2, 0, 5])
    for name, values in found.of_attributes.items():
        assert np.isnan(values[3:]).all()
        if name != "xmig":  # of which fewer dimensions are free
            np.testing.assert_allclose(values[:3], alone.of_attributes[name], atol=1e-9)
    np.testing.assert_allclose(found.modularity, alone.modularity, atol=1e-9)


def test_the_metric_gathers_batches():
    z, a = (torch.from_numpy(part) for part in shared())
    metric = LatentMeasures(dimensions=[2, 0, 5])
    for start in range(0, 300, 128):
        metric.update(z[start : start + 128], a[start : start + 128])
    found = metric.compute()
    expected = measure_latents(z.numpy(), a.numpy(), dimensions=[2, 0, 5]).means()
    assert {name: float(value) for name, value in found.items()} == pytest.approx(expected)
    assert set(found) >= {"sap", "mig_neighbours", "modularity_neighbours"}
    assert measure_latents(z.numpy(), a.numpy(), estimator=Histogram()).named("mig") == (
        "mig_histogram"
    )


def test_the_kind_of_an_attribute_follows_from_its_values():
    mask = np.array([[True, True], [True, True], [True, False]])
    assert is_discrete(np.array([[1.0, 0.5], [2.0, 1.0], [7.0, 2.0]])) == [True, False]
    assert is_discrete(np.array([[1.5, 3.0], [2.0, 1.0], [7.0, 0.5]]), mask) == [False, True]
    assert is_discrete(np.arange(101.0)[:, None]) == [False]


def test_what_cannot_be_measured_is_refused():
    z, a = shared()
    with pytest.raises(InputError, match="not finite; the training"):
        measure_information(np.where(z > 1, np.inf, z), a)
    with pytest.raises(InputError, match="observed attribute is not finite"):
        measure_information(z, np.where(a > 1, np.nan, a))
    with pytest.raises(InputError, match="attributes"):
        measure_information(z, a[:-1])
    with pytest.raises(InputError, match="dimensions for 2"):
        measure_latents(z, a, dimensions=[0, 1])
    with pytest.raises(InputError, match="no dimension 6 of 6"):
        measure_latents(z, a, dimensions=[0, 1, 6])
    assert math.isnan(measure_latents(z, a[:, :1]).means()["modularity_neighbours"])
