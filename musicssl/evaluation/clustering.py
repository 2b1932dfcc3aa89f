"""Agreement of clusters, found without labels, with classes."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import normalized_mutual_info_score


def cluster_accuracy(clusters: NDArray[np.integer], classes: NDArray[np.integer]) -> float:
    """Return the share of clips whose cluster is matched to their class, in [0, 1].

    The matching assigns at most one class to each cluster and one cluster to each class, such that
    the share is maximal (the Hungarian algorithm). As usual in the literature, it is computed on
    the same clips as the accuracy.

    >>> cluster_accuracy(np.array([2, 2, 0, 0]), np.array([0, 0, 1, 0]))
    0.75

    Args:
        clusters: Cluster of each clip, (N,), from 0 up.
        classes: Class of each clip, (N,), from 0 up.

    Returns:
        The accuracy, NaN without a clip.
    """
    if len(classes) == 0:
        return math.nan
    counts = np.zeros((int(clusters.max()) + 1, int(classes.max()) + 1), dtype=np.int64)
    np.add.at(counts, (clusters, classes), 1)
    matched = linear_sum_assignment(counts, maximize=True)
    return float(counts[matched].sum() / len(classes))


def normalised_mutual_information(
    clusters: NDArray[np.integer], classes: NDArray[np.integer]
) -> float:
    """Return the mutual information of clusters and classes over the mean of their entropies.

    It is in [0, 1] and requires no matching; NaN without a clip.
    """
    if len(classes) == 0:
        return math.nan
    return float(normalized_mutual_info_score(classes, clusters))


def class_shares(
    clusters: NDArray[np.integer],
    y: NDArray[np.floating],
    mask: NDArray[np.bool_],
    num_clusters: int,
) -> NDArray[np.float64]:
    """Return the share of each cluster's clips in which each class is present, (K, C).

    Args:
        clusters: Cluster of each clip, (N,), below K.
        y: Targets in [0, 1], (N, C), present from 0.5 up; arbitrary where `mask` is False.
        mask: True where the target was observed, (N, C).
        num_clusters: Number of clusters, K.

    Returns:
        Shares among the clips in which the class was observed, NaN if there is none.
    """
    member = (clusters == np.arange(num_clusters)[:, None]).astype(np.float64)  # (K, N)
    observed = member @ mask
    shares: NDArray[np.float64] = (
        member @ (mask & (y >= 0.5)) / np.where(observed > 0, observed, np.nan)
    )
    return shares
