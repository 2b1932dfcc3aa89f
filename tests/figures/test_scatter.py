"""Oracle: what is drawn, read back from the artists of the figure, is what was given."""

import numpy as np
import pytest

from musicssl.figures.scatter import draw_scatter
from musicssl.figures.style import save_png
from tests.support.pictures import BAD_MATH, PNG, text_beyond_the_edge


def test_each_target_has_a_panel_with_a_dot_for_each_clip_that_was_observed():
    targets = np.array([[1.0, np.nan], [2.0, -1.0], [3.0, 0.5]])
    predictions = np.array([[1.5, 9.0], [1.0, -2.0], [3.0, 0.0]])
    panels = draw_scatter(["arousal", "valence"], targets, predictions, "title").axes
    assert [axes.get_title() for axes in panels] == ["arousal", "valence"]
    first, second = (axes.collections[0].get_offsets() for axes in panels)
    np.testing.assert_allclose(first, [[1, 1.5], [2, 1], [3, 3]])
    np.testing.assert_allclose(second, [[-1, -2], [0.5, 0]])


def test_the_dotted_line_is_where_predictions_are_right_and_a_target_not_seen_has_none():
    targets = np.array([[5.0, np.nan], [7.0, np.nan]])
    first, second = draw_scatter(["a", "b"], targets, targets * 0 + 6, "title").axes
    line = first.lines[0]
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    assert first.get_xlim() == first.get_ylim() == pytest.approx(tuple(line.get_xdata()))
    assert 4 < first.get_xlim()[0] < 5  # it does not pull 0 into view
    assert 7 < first.get_xlim()[1] < 8
    assert not second.lines


@pytest.mark.parametrize("count", [1, 4, 7])
def test_there_are_as_many_panels_as_targets_and_long_names_fit(count):
    names = [f"a long name of target {i} with {BAD_MATH}" for i in range(count)]
    values = np.random.default_rng(0).random((2, 10, count))
    figure = draw_scatter(names, *values, "title")
    assert len(figure.axes) == count
    figure.draw_without_rendering()
    for axes in figure.axes:
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
            box = text.get_window_extent()
            assert 0 <= box.x0 < box.x1 <= figure.bbox.width
            assert 0 <= box.y0 < box.y1 <= figure.bbox.height


def test_the_picture_is_a_file(tmp_path):
    values = np.random.default_rng(0).random((2, 10, 2))
    path = save_png(tmp_path / "new" / "scatter.png", draw_scatter(["a", "b"], *values, "title"))
    assert path.read_bytes().startswith(PNG)


def test_a_long_title_fits():
    targets, predictions = np.random.default_rng(0).normal(size=(2, 5, 1))
    title = "linear probe of simclr synthband_p1.0_b0.5_s0, 100 % of the labels of emomusic"
    figure = draw_scatter(["arousal"], targets, predictions, title)
    assert not text_beyond_the_edge(figure)
