"""Oracle: what is drawn, read back from the artists of the figure, is what was given."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from musicssl.errors import InputError
from musicssl.figures import embedding_map
from musicssl.figures.embedding_map import (
    Projection2D,
    check_layout,
    class_map,
    draw_embedding_map,
    label_maps,
    project,
    value_maps,
)
from musicssl.figures.style import COLOURS, GREY
from tests.support.pictures import BAD_MATH, PNG, text_beyond_the_edge
from tests.support.quick import slow_after

N = 30


def projection(seed=0):
    return Projection2D(np.random.default_rng(seed).normal(size=(N, 2)), "a remark")


def dots(axes):
    """The points of each collection that was drawn, by its label."""
    return {str(c.get_label()): c.get_offsets() for c in axes.collections}


def names(count):
    return [f"class {c}" for c in range(count)]


def test_each_class_has_its_clips_and_those_without_a_label_are_pale():
    answer = np.arange(N) % 3
    y, mask = np.eye(4)[answer], np.ones((N, 4), bool)  # no clip is of the last class
    mask[:6] = False
    y[:6] = np.nan
    figure = class_map(projection(), y, mask, names(4))
    [axes] = figure.axes
    drawn = dots(axes)
    assert list(drawn) == ["no label (6)", *(f"class {c} (8)" for c in range(3))]
    np.testing.assert_array_equal(drawn["no label (6)"], projection().points[:6])
    for c in range(3):
        expected = projection().points[6:][answer[6:] == c]
        np.testing.assert_array_equal(drawn[f"class {c} (8)"], expected)
    assert axes.get_title() == "Embeddings of 30 clips\na remark"


def test_of_many_classes_the_most_frequent_are_coloured_and_that_is_said():
    answer = np.concatenate([np.arange(24), [3, 3, 21, 22, 23, 23]])
    y, mask = np.eye(24)[answer], np.ones((N, 24), bool)
    figure = class_map(projection(), y, mask, names(24))
    [axes] = figure.axes
    drawn = list(dots(axes))
    assert drawn[0] == "other or no label (4)"
    assert len(drawn) == 21
    assert {"class 3 (3)", "class 21 (2)", "class 22 (2)", "class 23 (3)"} <= set(drawn)
    looks = {(to_hex(c.get_facecolor()[0]), str(c.get_paths())) for c in axes.collections}
    assert len(looks) == 21
    assert axes.get_title().endswith("the 20 most frequent of 24 classes")


def test_each_label_has_a_panel_of_present_over_absent_over_not_observed():
    rng = np.random.default_rng(1)
    y, mask = (rng.random((N, 3)) < 0.4).astype(float), rng.random((N, 3)) < 0.7
    present = mask & (y == 1)
    y[~mask] = np.nan
    figure = label_maps(projection(), y, mask, names(3))
    for c, axes in enumerate(figure.axes):
        drawn = dots(axes)
        assert list(drawn) == ["not observed", "absent", "present"]  # the last one on top
        np.testing.assert_array_equal(drawn["present"], projection().points[present[:, c]])
        absent = mask[:, c] & (y[:, c] == 0)
        np.testing.assert_array_equal(drawn["absent"], projection().points[absent])
        np.testing.assert_array_equal(drawn["not observed"], projection().points[~mask[:, c]])
        colours = [to_hex(kind.get_facecolor()[0]).upper() for kind in axes.collections]
        assert colours[1:] == [GREY, COLOURS[0]]
        assert axes.get_title() == f"class {c} ({present[:, c].sum()})"


def test_of_many_labels_the_most_frequent_have_panels_and_that_is_said():
    y, mask = np.zeros((N, 55)), np.ones((N, 55), bool)
    y[:2, 3:] = 1
    y[2, 4:] = 1
    figure = label_maps(projection(), y, mask, names(55))
    assert [axes.get_title() for axes in figure.axes][:2] == ["class 4 (3)", "class 5 (3)"]
    assert len(figure.axes) == 50
    assert figure.get_suptitle().endswith("the 50 most frequent of 55 classes")


def test_values_have_the_colours_of_their_own_scale():
    rng = np.random.default_rng(1)
    y, mask = rng.normal(size=(N, 2)) * [1, 100], rng.random((N, 2)) < 0.7
    figure = value_maps(projection(), y, mask, ["arousal", "valence"])
    panels = [axes for axes in figure.axes if axes.get_title()]
    for c, axes in enumerate(panels):
        unseen, seen = axes.collections
        np.testing.assert_array_equal(unseen.get_offsets(), projection().points[~mask[:, c]])
        np.testing.assert_array_equal(seen.get_offsets(), projection().points[mask[:, c]])
        np.testing.assert_array_equal(seen.get_array(), y[mask[:, c], c])
        assert seen.get_clim() == (y[mask[:, c], c].min(), y[mask[:, c], c].max())


@pytest.mark.parametrize("draw", [class_map, label_maps, value_maps])
@pytest.mark.parametrize("count", slow_after(2, [1, 7, 2, 30]))
def test_nothing_is_cut_off(draw, count):
    classes = [f"a long name of a class with {BAD_MATH} and {c}" for c in range(count)]
    y = np.eye(count)[np.arange(N) % count]
    figure = draw(projection(), y, np.ones_like(y, bool), classes)
    assert text_beyond_the_edge(figure) == []


@pytest.mark.parametrize("task", ["multi_class", "multi_label", "regression"])
def test_the_picture_is_a_file_of_the_kind_of_the_task(task, tmp_path):
    h = np.random.default_rng(0).normal(size=(N, 5)).astype(np.float32)
    y = np.eye(3, dtype=np.float32)[np.arange(N) % 3]
    path = draw_embedding_map(tmp_path / "new", h, y, y >= 0, names(3), task)
    assert path == tmp_path / "new" / "embedding_map.png"
    assert path.read_bytes().startswith(PNG)


def test_at_most_so_many_clips_are_drawn_always_the_same_with_their_labels(monkeypatch, tmp_path):
    monkeypatch.setattr(embedding_map, "_MOST_CLIPS", 10)
    seen = []
    monkeypatch.setattr(embedding_map, "project", lambda h, method: Projection2D(h[:, :2], method))
    monkeypatch.setattr(embedding_map, "save_png", lambda path, figure: seen.append(figure))
    h = np.random.default_rng(0).normal(size=(N, 2))
    y = (h[:, :1] > 0).astype(float)
    for _ in range(2):
        draw_embedding_map(tmp_path, h, y, y >= 0, ["a"], "multi_label", "tsne")
    first, second = (dots(figure.axes[0]) for figure in seen)
    np.testing.assert_array_equal(first["present"], second["present"])
    assert len(first["present"]) + len(first["absent"]) == 10
    assert (first["present"][:, 0] > 0).all()
    assert (first["absent"][:, 0] <= 0).all()


# --- projections


def clusters(dim=6, each=30):
    rng = np.random.default_rng(0)
    centres = 20 * np.eye(3, dim)
    return np.concatenate([centre + rng.normal(size=(each, dim)) for centre in centres])


def standardised(h):
    return (h - h.mean(axis=0)) / h.std(axis=0)


def test_principal_axes_are_those_of_the_singular_values():
    h = clusters() * [1, 5, 1, 1, 0.1, 100]
    projection = project(h.astype(np.float32))
    u, s, _ = np.linalg.svd(standardised(h), full_matrices=False)
    np.testing.assert_allclose(abs(projection.points), abs(u * s)[:, :2], atol=1e-3)
    share = 100 * (s[:2] ** 2).sum() / (s**2).sum()
    assert projection.remark.startswith(f"PCA: {share:.0f} % of the variance")


def test_embeddings_of_one_number_lie_on_a_line():
    h = np.array([[1.0], [2.0], [4.0], [5.0]])
    points = project(h).points
    np.testing.assert_allclose(abs(points[:, 0]), abs(standardised(h)[:, 0]))
    assert (points[:, 1] == 0).all()


def test_collapsed_embeddings_are_one_point_and_that_is_said():
    projection = project(np.full((10, 4), 0.1, np.float32))
    assert (projection.points == 0).all()
    assert projection.remark == "all embeddings are alike"


def test_neighbours_stay_neighbours_and_the_map_is_the_same_again():
    h = clusters(each=8)
    points = project(h, "tsne").points
    distances = np.linalg.norm(points[:, None] - points, axis=2) + 1e9 * np.eye(len(h))
    assert (distances.argmin(axis=1) // 8 == np.arange(len(h)) // 8).all()
    np.testing.assert_array_equal(points, project(h, "tsne").points)


def test_umap_is_asked_for_by_name_where_it_is_missing(monkeypatch):
    monkeypatch.setattr("musicssl.figures.embedding_map.find_spec", lambda name: None)
    for ask in (lambda: project(clusters(), "umap"), lambda: check_layout("umap")):
        with pytest.raises(InputError, match="pip install umap-learn"):
            ask()
    check_layout("tsne")
    monkeypatch.setattr(
        "musicssl.figures.embedding_map.find_spec", lambda name: {"umap": "a place"}[name]
    )
    check_layout("umap")


def test_other_maps_and_too_few_clips_are_refused():
    with pytest.raises(InputError, match="no map 'lda'; embedding_map is one of pca, tsne, umap"):
        project(clusters(), "lda")
    check_layout(None)
    with pytest.raises(InputError, match="4 clips or more, got 3"):
        project(clusters()[:3])
