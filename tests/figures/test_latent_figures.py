"""What is drawn of a latent space, read back from the artists."""

import numpy as np
import pytest

from musicssl.data.melodies import HOLD, REST
from musicssl.figures.latent_information import draw_information
from musicssl.figures.latent_map import draw_latent_map
from musicssl.figures.latent_walks import WalkPanel, draw_feature_walks, draw_melody_walks
from tests.support.pictures import BAD_MATH, assert_within_the_page, text_beyond_the_edge


def test_dimensions_are_rows_and_those_of_attributes_have_frames():
    shares = np.array([[0.9, 0.0], [0.1, np.nan], [0.0, 0.4]])
    axes = draw_information(["a", "b"], shares, [0, None], "share").axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), shares)
    assert [patch.get_xy() for patch in axes.patches] == [(-0.5, -0.5)]
    numbers = {text.get_position(): text.get_text() for text in axes.texts}
    assert numbers == {(0, 0): "0.90", (0, 1): "0.10", (1, 2): "0.40"}


@pytest.mark.parametrize(("latent", "attributes"), [(1, 1), (32, 9), (200, 60)])
def test_many_long_names_fit(latent, attributes):
    names = [f"a long name of an attribute {i} with {BAD_MATH}" for i in range(attributes)]
    shares = np.random.default_rng(0).random((latent, attributes))
    dimensions = [i % latent for i in range(attributes)]
    assert not text_beyond_the_edge(draw_information(names, shares, dimensions, "share"))


def test_clips_are_drawn_at_their_latent_values_and_unobserved_ones_separately():
    rng = np.random.default_rng(0)
    z, values = rng.normal(size=(50, 4)), rng.normal(size=(50, 3))
    mask = rng.random((50, 3)) < 0.6
    figure = draw_latent_map([BAD_MATH, "b", "c"], z, values, mask, [(2, 0), None, (1, 3)])
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == [BAD_MATH, "c"]
    assert (panels[1].get_xlabel(), panels[1].get_ylabel()) == ("dimension 1", "dimension 3")
    hidden, seen = (np.asarray(dots.get_offsets()) for dots in panels[1].collections)
    np.testing.assert_allclose(seen, z[mask[:, 2]][:, [1, 3]])
    np.testing.assert_allclose(hidden, z[~mask[:, 2]][:, [1, 3]])
    np.testing.assert_allclose(panels[1].collections[1].get_array(), values[mask[:, 2], 2])
    assert not text_beyond_the_edge(figure)


def test_melodies_are_notes_at_their_ticks_with_the_attribute_below():
    pitches = np.array([[60, HOLD, REST, 64], [REST, REST, REST, 72]])
    walk = WalkPanel(f"{BAD_MATH} density", 7, np.array([-1.0, 2.0]), pitches, np.array([2.0, 1.0]))
    unknown = WalkPanel("b", 3, walk.places, pitches, np.full(2, np.nan))
    figure = draw_melody_walks([walk, unknown], "head")
    roll, below, _, empty = figure.axes
    boxes = [path.get_extents() for path in roll.collections[0].get_paths()]
    assert [round(box.x0) for box in boxes] == [0, 3, 7]
    assert [(box.y0 + box.y1) / 2 for box in boxes] == [60, 64, 72]
    assert boxes[0].width == pytest.approx(boxes[1].width + 1)
    assert roll.get_title(loc="left") == f"{BAD_MATH} density: dimension 7"
    [line] = below.lines
    np.testing.assert_array_equal(line.get_xdata(), [2, 6])
    np.testing.assert_array_equal(line.get_ydata(), [2, 1])
    assert not empty.lines
    assert "no melody" in empty.texts[0].get_text()
    assert not text_beyond_the_edge(figure)


def test_melodies_of_rests_only_are_drawn():
    walk = WalkPanel("a", 0, np.linspace(0, 1, 3), np.full((3, 4), REST), np.zeros(3))
    assert not text_beyond_the_edge(draw_melody_walks([walk], "head"))


@pytest.mark.parametrize("known", [True, False])
def test_features_are_differences_from_the_middle(known):
    features = np.random.default_rng(0).normal(size=(5, 7))
    course = np.arange(5.0) if known else np.full(5, np.nan)
    walk = WalkPanel("a", 1, np.linspace(-2, 2, 5), features, course)
    figure = draw_feature_walks([walk, walk], "mel band", "dB", "head")
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), features - features[2])
    courses = [axes for axes in figure.axes if axes.lines]
    assert len(courses) == (2 if known else 0)
    assert_within_the_page(figure)
