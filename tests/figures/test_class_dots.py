"""Oracle: what is drawn, read back from the artists of the figure, is what was given."""

import numpy as np
import pytest

from musicssl.figures.class_dots import draw_class_dots
from tests.support.pictures import BAD_MATH, assert_within_the_page


def test_a_dot_lies_at_its_value_on_the_line_of_its_class_best_of_the_first_on_top():
    values = {"a": np.array([0.6, 0.9, 0.7]), "b": np.array([0.8, 0.7, 0.65])}
    figure = draw_class_dots(["x", "y", "z"], values, "AUROC", "title")
    [axes] = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["y", "z", "x"]
    assert axes.yaxis_inverted()  # the first is on top
    spans, first, second = axes.collections
    np.testing.assert_allclose(first.get_offsets(), [[0.9, 0], [0.7, 1], [0.6, 2]])
    np.testing.assert_allclose(second.get_offsets(), [[0.7, 0], [0.65, 1], [0.8, 2]])
    ends = [segment[:, 0].tolist() for segment in spans.get_segments()]
    assert ends == [[0.7, 0.9], [0.65, 0.7], [0.6, 0.8]]


def test_a_class_without_a_value_is_marked_and_comes_last():
    values = {"a": np.array([np.nan, 0.9]), "b": np.array([np.nan, 0.7])}
    [axes] = draw_class_dots(["x", "y"], values, "AUROC", "title").axes
    assert [(text.get_text(), text.get_position()[1]) for text in axes.texts] == [("undefined", 1)]


@pytest.mark.parametrize(("num_classes", "num_methods"), [(1, 1), (40, 8)])
def test_many_long_names_fit(num_classes, num_methods):
    names = [f"a long name of instrument {i} with {BAD_MATH}" for i in range(num_classes)]
    rng = np.random.default_rng(0)
    values = {
        f"a method called {BAD_MATH} {m}": rng.random(num_classes) for m in range(num_methods)
    }
    assert_within_the_page(draw_class_dots(names, values, "AUROC", "title"))
