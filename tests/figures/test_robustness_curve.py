"""Oracle: what is drawn, read back from the artists of the figure, is what was given."""

import math

import numpy as np
import pytest

from musicssl.evaluation.robustness_table import Robustness
from musicssl.figures.robustness_curve import draw_robustness_curves, robustness_curves
from tests.support.pictures import BAD_MATH, PNG, text_beyond_the_edge


def table(clean=0.8, **harms):
    judged = {
        (name, severity): {"auroc": clean - harm * severity, "f1": 0.0}
        for name, harm in harms.items()
        for severity in (1.0, 5.0)
    }
    return Robustness({"auroc": clean, "f1": 0.0}, judged)


def test_each_corruption_has_a_panel_the_most_harmful_first_with_the_clean_metric_as_a_line():
    given = table(mp3=0.01, bit_crush=0.1, gain=0.0)
    panels = robustness_curves({"a method": given}, "auroc").axes
    assert [axes.get_title() for axes in panels] == ["mean of all", "bit crush", "mp3", "gain"]
    curves = [given.curve(name, "auroc") for name in ("bit_crush", "mp3", "gain")]
    for axes, expected in zip(panels, [np.mean(curves, axis=0), *curves], strict=True):
        clean, curve = axes.lines
        assert set(clean.get_ydata()) == {0.8}
        np.testing.assert_array_equal(curve.get_xdata(), [0, 1, 5])
        np.testing.assert_allclose(curve.get_ydata(), expected)
    assert len({axes.get_ylim() for axes in panels}) == 1


def test_an_error_that_grows_harms_as_a_score_that_falls():
    errors = {"mp3": 2.1, "gain": 2.5, "delay": 1.9}
    judged = {(name, 1.0): {"rmse": error} for name, error in errors.items()}
    panels = robustness_curves({"a": Robustness({"rmse": 2.0}, judged)}, "rmse").axes
    assert [axes.get_title() for axes in panels] == ["mean of all", "gain", "mp3", "delay"]


def test_methods_share_the_panels_and_have_looks_of_their_own():
    both = {"one": table(mp3=0.1), "other": table(0.7, mp3=0.02)}
    figure = robustness_curves(both, "auroc")
    [axes] = figure.axes
    colours = [line.get_color() for line in axes.lines]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["one", "other"]
    assert not robustness_curves({"one": table(mp3=0.1)}, "auroc").legends


def test_an_undefined_metric_leaves_a_gap():
    judged = {("mp3", 1.0): {"auroc": math.nan}, ("mp3", 5.0): {"auroc": 0.5}}
    given = Robustness({"auroc": 0.8}, judged)
    [axes] = robustness_curves({"a": given}, "auroc").axes
    assert np.isnan(axes.lines[1].get_ydata()).tolist() == [False, True, False]


@pytest.mark.parametrize("count", [1, 5, 7, 15])
def test_each_column_ends_with_severities_and_nothing_is_cut_off(count):
    names = {f"a corruption with a long name {c} {BAD_MATH}": 0.1 for c in range(count)}
    figure = robustness_curves({f"one {BAD_MATH}": table(**names), "two": table(**names)}, "auroc")
    assert text_beyond_the_edge(figure) == []
    assert len(figure.axes) == (panels := count + (count > 1))
    lowest = {}
    for axes in figure.axes:  # from the top down
        lowest[round(axes.get_position().x0, 3)] = axes
    assert len(lowest) == min(panels, 5)
    for axes in lowest.values():
        shown = [tick for tick in axes.xaxis.get_major_ticks() if tick.label1.get_visible()]
        assert [tick.get_loc() for tick in shown] == [0, 1, 5]


def test_the_picture_is_a_file(tmp_path):
    path = draw_robustness_curves(tmp_path / "new", {"one": table(mp3=0.1)}, "auroc")
    assert path == tmp_path / "new" / "robustness.png"
    assert path.read_bytes().startswith(PNG)
