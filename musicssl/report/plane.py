"""Embeddings laid out in two dimensions, for the eye."""

from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import StandardScaler

from musicssl.errors import InputError

LAYOUTS = ("pca", "tsne", "umap")
FEWEST = 4  # clips of a map


class Plane(NamedTuple):
    """Clips in a plane.

    Attributes:
        points: (N, 2).
        remark: How to read distances, for a title.
    """

    points: NDArray[np.floating]
    remark: str


def check_layout(method: str | None) -> None:
    """Check that there is such a layout, or that none is asked for.

    Raises:
        InputError: If there is no such layout, or umap-learn is missing.
    """
    if method is not None and method not in LAYOUTS:
        raise InputError(
            f"there is no map {method!r}; embedding_map is one of {', '.join(LAYOUTS)}, or null."
        )
    if method == "umap" and find_spec("umap") is None:
        raise InputError(
            "embedding_map=umap needs umap-learn; pip install umap-learn, or choose pca or tsne."
        )


def laid_out(h: NDArray[np.floating], method: str = "pca") -> Plane:
    """Bring embeddings to two dimensions; features are standardised first.

    Args:
        h: Embeddings of 4 clips or more, (N, D).
        method: "pca", the two directions of most variance; "tsne" or "umap", which keep neighbours
            together and make distances across the picture meaningless.

    Raises:
        InputError: If there are fewer clips, there is no such method, or umap-learn is missing.
    """
    check_layout(method)
    if len(h) < FEWEST:
        raise InputError(f"a map of {len(h)} clips shows nothing; give it {FEWEST} or more.")
    z = StandardScaler().fit_transform(np.asarray(h, np.float64))
    if not z.any():
        return Plane(np.zeros((len(h), 2)), "all embeddings are alike")
    if method == "pca":
        return _principal(z)
    if method == "tsne":
        perplexity = min(30, (len(h) - 1) / 3)
        tsne = TSNE(perplexity=perplexity, init="pca", random_state=0)
        return Plane(tsne.fit_transform(z), "t-SNE: only neighbourhoods mean something")
    return Plane(_umap(z), "UMAP: only neighbourhoods mean something")


def _principal(z: NDArray[np.float64]) -> Plane:
    pca = PCA(min(2, z.shape[1]), svd_solver="full").fit(z)
    points = pca.transform(z)
    points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    share = 100 * pca.explained_variance_ratio_.sum()
    return Plane(points, f"PCA: {share:.0f} % of the variance of standardised embeddings")


def _umap(z: NDArray[np.float64]) -> NDArray[np.floating]:
    umap = import_module("umap")
    points: NDArray[np.floating] = umap.UMAP(random_state=0, n_jobs=1).fit_transform(z)
    return points
