"""Oracle: what is drawn, read back from the artists of the figure, is what was given."""

import numpy as np
from scipy.stats import t

from musicssl.figures.label_curve import Point, draw_label_curves
from tests.support.pictures import BAD_MATH, assert_within_the_page

NAN = float("nan")


def curves(num_methods=2, fractions=(0.02, 0.1, 0.5), num_seeds=3):
    rng = np.random.default_rng(0)
    return {
        f"method {m}": [
            Point(f"{100 * p:g} %", 1000 * p, list(0.6 + 0.1 * rng.random(num_seeds)))
            for p in fractions
        ]
        for m in range(num_methods)
    }


def test_lines_are_means_bars_t_intervals_and_dots_single_seeds():
    given = curves()
    [axes] = draw_label_curves(given, "AUROC", "title").axes
    assert axes.get_xscale() == "log"
    for container, points in zip(axes.containers, given.values(), strict=True):
        line, _, [bars] = container
        values = np.array([point.values for point in points])
        np.testing.assert_allclose(line.get_ydata().astype(float), values.mean(axis=1))
        half = t.ppf(0.975, 2) * values.std(axis=1, ddof=1) / np.sqrt(3)
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        np.testing.assert_allclose((ends[:, 1] - ends[:, 0]) / 2, half)
    dots = [dots.get_offsets() for dots in axes.collections if len(dots.get_offsets()) == 3]
    drawn = sorted(value for cell in dots for value in cell[:, 1])
    assert drawn == sorted(v for points in given.values() for p in points for v in p.values)


def test_points_stand_near_their_clips_the_methods_apart_in_order():
    given = curves(6)
    [axes] = draw_label_curves(given, "AUROC", "title").axes
    x = np.array([container[0].get_xdata() for container in axes.containers])  # (methods, points)
    np.testing.assert_allclose(np.exp(np.log(x).mean(axis=0)), [20, 100, 500])
    assert (np.diff(x, axis=0) > 0).all()
    assert (abs(np.log(x / [20, 100, 500])) < 0.1 * np.log(500 / 100)).all()


def test_the_methods_of_one_fraction_do_not_reach_those_of_the_next():
    fractions = [0.01 * 1.6**k for k in range(10)]
    [axes] = draw_label_curves(curves(10, fractions), "AUROC", "title").axes
    x = np.array([container[0].get_xdata() for container in axes.containers])  # (methods, points)
    assert (x[-1, :-1] < x[0, 1:]).all()


def test_ticks_show_clips_and_fraction_and_do_not_overlap():
    given = curves(1, (0.02, 0.0201, 0.1, 0.5))
    figure = draw_label_curves(given, "AUROC", "title")
    assert_within_the_page(figure)
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["20\n2 %", "100\n10 %", "500\n50 %"]


def test_one_seed_has_no_interval_and_an_undefined_value_is_left_out():
    points = [Point("2 %", 20, [0.5]), Point("10 %", 100, [0.6, NAN, 0.8])]
    [axes] = draw_label_curves({"a": points}, "AUROC", "title").axes
    line, _, [bars] = axes.containers[0]
    np.testing.assert_allclose(line.get_ydata().astype(float), [0.5, 0.7])
    assert bars.get_segments()[0][0, 1] == bars.get_segments()[0][1, 1]


def test_the_legend_shows_error_bars_only_where_there_are_some():
    given = {"one seed": curves(1, num_seeds=1)["method 0"], **curves(1)}
    [axes] = draw_label_curves(given, "AUROC", "title").axes
    assert [handle.has_yerr for handle in axes.get_legend_handles_labels()[0]] == [False, True]


def test_the_very_wide_intervals_of_two_seeds_do_not_squeeze_the_picture():
    points = [Point("2 %", 20, [0.70, 0.71]), Point("10 %", 100, [0.74, 0.80])]
    [axes] = draw_label_curves({"a": points}, "AUROC", "title").axes
    low, high = axes.get_ylim()
    assert 0.6 < low < 0.7
    assert 0.8 < high < 0.9


def test_six_methods_at_six_fractions_can_be_told_apart_and_nothing_is_cut_off():
    given = curves(6, (0.01, 0.02, 0.04, 0.08, 0.16, 0.32), 5)
    given = {f"{name} ({BAD_MATH}=3, data.b_s=0.5)": points for name, points in given.items()}
    figure = draw_label_curves(given, "AUROC", f"A title of {BAD_MATH}")
    assert_within_the_page(figure)
    lines = [container[0] for container in figure.axes[0].containers]
    assert len({line.get_color() for line in lines}) == 6
    assert len({line.get_marker() for line in lines}) == 6


def test_a_metric_stays_between_0_and_1():
    given = {"a": [Point("2 %", 20, [0.02, 0.5, 0.97])]}
    [axes] = draw_label_curves(given, "AUROC", "title").axes
    low, high = axes.get_ylim()
    assert -0.1 < low < 0
    assert 1 < high < 1.1


def test_a_reference_is_a_dashed_line_within_the_picture_wherever_it_lies():
    plain = draw_label_curves(curves(), "AUROC", "title").axes[0].get_ylim()
    for value in (0.1, 0.65, 0.99):
        figure = draw_label_curves(curves(), "AUROC", "title", reference=(value, "chance"))
        [axes] = figure.axes
        [line] = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert line.get_label() == "chance"
        assert list(line.get_ydata()) == [value, value]
        low, high = axes.get_ylim()
        assert low < value < high
        assert low <= plain[0] < plain[1] <= high
        assert_within_the_page(figure)
        named = [text.get_text() for text in figure.legends[0].get_texts()]
        assert named == ["method 0", "method 1", "chance"]
    [axes] = draw_label_curves(curves(), "AUROC", "title", reference=(0.65, "chance")).axes
    assert axes.get_ylim() == plain
