import numpy as np
import pytest

from musicssl.errors import InputError
from musicssl.figures.embedding_map import check_layout, laid_out


def clusters(dim=6, each=30):
    rng = np.random.default_rng(0)
    centres = 20 * np.eye(3, dim)
    return np.concatenate([centre + rng.normal(size=(each, dim)) for centre in centres])


def standardised(h):
    return (h - h.mean(axis=0)) / h.std(axis=0)


def test_principal_axes_are_those_of_the_singular_values():
    h = clusters() * [1, 5, 1, 1, 0.1, 100]
    plane = laid_out(h.astype(np.float32))
    u, s, _ = np.linalg.svd(standardised(h), full_matrices=False)
    np.testing.assert_allclose(abs(plane.points), abs(u * s)[:, :2], atol=1e-3)
    share = 100 * (s[:2] ** 2).sum() / (s**2).sum()
    assert plane.remark.startswith(f"PCA: {share:.0f} % of the variance")


def test_embeddings_of_one_number_lie_on_a_line():
    h = np.array([[1.0], [2.0], [4.0], [5.0]])
    points = laid_out(h).points
    np.testing.assert_allclose(abs(points[:, 0]), abs(standardised(h)[:, 0]))
    assert (points[:, 1] == 0).all()


def test_collapsed_embeddings_are_one_point_and_that_is_said():
    plane = laid_out(np.full((10, 4), 0.1, np.float32))
    assert (plane.points == 0).all()
    assert plane.remark == "all embeddings are alike"


def test_neighbours_stay_neighbours_and_the_map_is_the_same_again():
    h = clusters(each=8)
    points = laid_out(h, "tsne").points
    distances = np.linalg.norm(points[:, None] - points, axis=2) + 1e9 * np.eye(len(h))
    assert (distances.argmin(axis=1) // 8 == np.arange(len(h)) // 8).all()
    np.testing.assert_array_equal(points, laid_out(h, "tsne").points)


def test_umap_is_asked_for_by_name_where_it_is_missing(monkeypatch):
    monkeypatch.setattr("musicssl.figures.embedding_map.find_spec", lambda name: None)
    for ask in (lambda: laid_out(clusters(), "umap"), lambda: check_layout("umap")):
        with pytest.raises(InputError, match="pip install umap-learn"):
            ask()
    check_layout("tsne")
    monkeypatch.setattr(
        "musicssl.figures.embedding_map.find_spec", lambda name: {"umap": "a place"}[name]
    )
    check_layout("umap")


def test_other_maps_and_too_few_clips_are_refused():
    with pytest.raises(InputError, match="no map 'lda'; embedding_map is one of pca, tsne, umap"):
        laid_out(clusters(), "lda")
    check_layout(None)
    with pytest.raises(InputError, match="3 clips"):
        laid_out(clusters()[:3])
