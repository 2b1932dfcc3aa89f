"""Oracle: what is drawn, read back from the artists of the figure, is what was given."""

import numpy as np
from matplotlib.container import ErrorbarContainer

from musicssl.figures.unlabelled_curve import draw_unlabelled_curves
from tests.support.pictures import BAD_MATH, text_beyond_the_edge

CURVES = {
    "mean_teacher": {0.0: [0.70, 0.72], 0.25: [0.74, 0.76], 1.0: [0.80, 0.79]},
    BAD_MATH: {0.25: [0.71], 1.0: [0.73]},
}


def test_means_and_single_seeds_stand_at_their_fractions():
    figure = draw_unlabelled_curves(CURVES, "AUROC", "a title")
    axes = figure.axes[0]
    bars = [c for c in axes.containers if isinstance(c, ErrorbarContainer)]
    for container, points in zip(bars, CURVES.values(), strict=True):
        line = container.lines[0]
        np.testing.assert_allclose(np.asarray(line.get_xdata(), float), list(points))
        means = [np.mean(values) for values in points.values()]
        np.testing.assert_allclose(np.asarray(line.get_ydata(), float), means)
    dots = np.concatenate([c.get_offsets() for c in axes.collections if len(c.get_offsets())])
    expected = [[u, value] for points in CURVES.values() for u in points for value in points[u]]
    assert set(map(tuple, expected)) <= set(map(tuple, dots.tolist()))
    assert axes.get_ylabel() == "AUROC"
    assert text_beyond_the_edge(figure) == []
