"""Embeddings laid out in two dimensions, for the eye."""

import importlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import StandardScaler

from musicssl.errors import InputError


class Plane(NamedTuple):
    """Clips in a plane.

    Attributes:
        points: (N, 2).
        remark: How to read distances, for a title.
    """

    points: NDArray[np.floating]
    remark: str


def laid_out(h: NDArray[np.floating], method: str = "pca") -> Plane:
    """Bring embeddings to two dimensions; features are standardised first.

    Args:
        h: Embeddings of 4 clips or more, (N, D).
        method: "pca", the two directions of most variance; "tsne" or "umap", which keep neighbours
            together and make distances across the picture meaningless.

    Raises:
        InputError: If there are fewer clips, there is no such method, or umap-learn is missing.
    """
    if len(h) < 4:
        raise InputError(f"a map of {len(h)} clips shows nothing; give it 4 or more.")
    z = StandardScaler().fit_transform(np.asarray(h, np.float64))
    if method not in ("pca", "tsne", "umap"):
        raise InputError(f"there is no map {method!r}; it is one of pca, tsne, umap.")
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
    try:
        umap = importlib.import_module("umap")
    except ModuleNotFoundError as error:
        raise InputError("a map by umap needs umap-learn; pip install umap-learn.") from error
    points: NDArray[np.floating] = umap.UMAP(random_state=0, n_jobs=1).fit_transform(z)
    return points
