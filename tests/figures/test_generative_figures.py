"""Oracle: what is drawn, read back from the artists of the figure, is what was given."""

import numpy as np
import pytest

from musicssl.figures.feature_axis import Part
from musicssl.figures.feature_curves import Curves
from musicssl.figures.generative_figures import (
    draw_classes,
    draw_image_reconstructions,
    draw_reconstructions,
    draw_samples,
    draw_traversals,
)
from tests.support.pictures import BAD_MATH, text_beyond_the_edge

F = 20
RNG = np.random.default_rng(0)
HEAD = f"A long heading with {BAD_MATH} in it, " * 6
NAME = f"instrument_of_a_long_name_{BAD_MATH}"


def parts(*shape):
    names = [("mean over time", "dB re full scale"), ("standard deviation over time", "dB")]
    return [Part(name, value, RNG.normal(size=(*shape, F))) for name, value in names]


def curves(axes):
    return {line.get_label(): line.get_ydata() for line in axes.lines}


def shown_images(figure):
    """The values of each heat map, its colours' range, and its extent."""
    found = [image for axes in figure.axes for image in axes.images]
    return [(np.asarray(i.get_array()), i.get_clim(), i.get_extent()) for i in found]


def test_each_clip_and_part_has_a_panel_of_both_curves():
    observed, decoded = parts(3), parts(3)
    figure = draw_reconstructions([NAME] * 3, observed, decoded, "mel band", HEAD)
    assert len(figure.axes) == 6
    for place, axes in enumerate(figure.axes):
        row, column = divmod(place, 2)
        drawn = curves(axes)
        np.testing.assert_array_equal(drawn["observed"], observed[column].values[row])
        np.testing.assert_array_equal(drawn["reconstructed"], decoded[column].values[row])
        assert axes.lines[0].get_xdata().tolist() == [f + 0.5 for f in range(F)]
        assert observed[column].value in axes.get_ylabel()
    assert [axes.get_xlabel() for axes in figure.axes] == [""] * 4 + ["mel band"] * 2
    assert not text_beyond_the_edge(figure)


def test_flat_clips_are_images_on_one_scale_of_colours():
    observed, decoded = RNG.random((2, 2, 5, F))
    figure = draw_image_reconstructions([NAME] * 2, observed, decoded, "band", "dB", HEAD)
    images = shown_images(figure)
    expected = [observed[0], decoded[0], observed[1], decoded[1]]
    for (values, limits, extent), instances in zip(images[:4], expected, strict=True):
        np.testing.assert_array_equal(values[::-1].T, instances)  # the lowest feature is below
        assert limits == pytest.approx((observed.min(), observed.max()))
        assert extent == [0, 5, 0, F]
    assert figure.axes[-1].get_ylabel() == "dB"
    assert not text_beyond_the_edge(figure)


def test_what_classes_add_is_a_row_each_and_0_is_white():
    added = parts(20)
    named = {"observed": RNG.random(F), f"as {NAME}": RNG.random(F), "as b": RNG.random(F)}
    panels = [
        [Curves(NAME, named)] * 3,
        [Curves("c", {"mean": RNG.random(F)}, RNG.random((12, F)))] * 3,
    ]
    figure = draw_classes([NAME] * 20, added, panels, "mel band", "dB", HEAD)
    images = shown_images(figure)
    for (values, (low, high), extent), part in zip(images[:2], added, strict=True):
        np.testing.assert_array_equal(values, part.values)
        assert -low == high == pytest.approx(np.abs(part.values).max())
        assert extent == [0, F, 19.5, -0.5]
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert {"dB re full scale", "dB"} <= set(labels)  # of the bars of colours
    assert not text_beyond_the_edge(figure)


def test_a_class_that_adds_nothing_is_drawn_all_the_same():
    nothing = [Part("features", "difference", np.zeros((2, F)))]
    figure = draw_classes(
        ["a", "b"], nothing, [[Curves("a", {"mean": np.zeros(F)})]], "feature", "value", "head"
    )
    [(values, limits, _), *_] = shown_images(figure)
    assert not values.any()
    assert limits == (-1, 1)


def test_samples_are_thin_curves_behind_those_with_names():
    faint = RNG.random((12, F))
    panels = [Curves(f"{NAME} {place}", {"mean": faint.mean(axis=0)}, faint) for place in range(6)]
    figure = draw_samples([panels[:4], panels[4:]], "feature", "value", HEAD)
    assert len(figure.axes) == 6
    for axes in figure.axes:
        drawn = [line.get_ydata() for line in axes.lines]
        np.testing.assert_array_equal(drawn[:12], faint)
        np.testing.assert_array_equal(drawn[12], faint.mean(axis=0))
        assert axes.lines[0].get_linewidth() < axes.lines[12].get_linewidth()
    lowest = [axes.get_xlabel() for axes in figure.axes]
    assert lowest == ["", "", "feature", "feature", "feature", "feature"]  # of each column
    assert not text_beyond_the_edge(figure)


def test_each_latent_variable_has_a_row_with_its_least_step_below():
    steps = np.linspace(-3, 3, 13)
    moved = parts(2, 13)
    figure = draw_traversals(["z 4", "z 0"], steps, moved, "mel band", HEAD)
    images = shown_images(figure)[:4]
    for place, (values, (low, high), extent) in enumerate(images):
        row, column = divmod(place, 2)
        np.testing.assert_array_equal(values[::-1], moved[column].values[row])
        assert -low == high == pytest.approx(np.abs(moved[column].values).max())
        assert extent == pytest.approx([0, F, -3.25, 3.25])
    assert not text_beyond_the_edge(figure)
