"""Monotonicity and smoothness of curves whose values are known, of loops and of latte-metrics."""

from itertools import pairwise

import numpy as np
import pytest

from musicssl.errors import InputError
from musicssl.evaluation.latents.interpolation import monotonicity, smoothness

POINTS = np.linspace(-3, 3, 13)
STEP = 0.5


def test_values_are_those_of_latte():
    """latte-metrics 0.0.1a6: its liad_interpolatability_bundle of the same curves."""
    jump = (POINTS > 0.1).astype(float)
    curves = np.stack([np.tanh(POINTS), POINTS**2, np.sin(3 * POINTS), jump])
    expected = [0.7111547817, 0.9090909091, 0.3011168798, 0]
    np.testing.assert_allclose(smoothness(curves, STEP), expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(monotonicity(curves, STEP), [1, 0, 0, 1], atol=1e-12)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_straight_line_is_smooth_though_its_values_are_rounded(kind):
    lines = np.stack([0.1 * POINTS, -7 * POINTS + 1000, np.zeros(13)]).astype(kind)
    np.testing.assert_array_equal(smoothness(lines, STEP), [1, 1, 1])
    np.testing.assert_array_equal(monotonicity(lines, STEP), [1, -1, np.nan])


def test_formulas_by_loops():
    values = np.random.default_rng(0).normal(size=(5, 9))
    for curve, smooth, rises in zip(
        values, smoothness(values, 0.3), monotonicity(values, 0.3, 0.5), strict=True
    ):
        first = [(b - a) / 0.3 for a, b in pairwise(curve)]
        second = [abs(b - a) / 0.3 for a, b in pairwise(first)]
        lehmer = sum(x * x for x in second) / sum(second)
        assert smooth == pytest.approx(1 - lehmer / ((max(first) - min(first)) / 0.3))
        signs = [1 if x > 0 else -1 for x in first if abs(x) > 0.5]
        assert rises == pytest.approx(sum(signs) / len(signs))


def test_smoothness_is_clipped_on_request():
    zigzag = np.array([0.0, 1, 0, 1, 0])
    assert smoothness(zigzag, 1) == pytest.approx(0)
    one_bend = np.array([0.0, 0, 0, 5, 0])
    assert smoothness(one_bend, 1) == pytest.approx(1 - (25 + 100) / 15 / 10)
    spread = np.array([0.0, 3, 0, 3, 0, 3, 0]) + np.arange(7) ** 3
    assert 0 <= smoothness(spread, 1, clip=True) <= 1


def test_too_few_points_are_refused():
    with pytest.raises(InputError, match="3 points"):
        smoothness(np.zeros(2), 1)
    with pytest.raises(InputError, match="2 points"):
        monotonicity(np.zeros(1), 1)
    with pytest.raises(InputError, match="above 0"):
        monotonicity(np.zeros(3), 0)
