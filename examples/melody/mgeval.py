"""MGEval: how alike two sets of pieces are, by features of music.

Yang and Lerch 2020, https://doi.org/10.1007/s00521-018-3849-7. Of each set, features of all pieces;
Euclidean distances of all pairs within the set, and of all pairs between it and the other; kernel
density estimates of these distances; the Kullback-Leibler divergence of "between" from "within",
and the area that both densities share.

A piece is notes, (K, 3): start and duration in sixteenths of a whole note, and MIDI key.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gaussian_kde

Floats = NDArray[np.float64]
_POINTS = 1000  # at which densities are compared
_LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # classes of note lengths, in 1/64


class Likeness(NamedTuple):
    """KL divergence and overlap of within and between; NaN if a set has no spread."""

    kl: float
    overlap: float


def _transitions(tokens: NDArray[np.int64], size: int) -> Floats:
    table: Floats = np.zeros(size * size)
    np.add.at(table, tokens[:-1] * size + tokens[1:], 1)
    return table


def _histogram(tokens: NDArray[np.int64], size: int) -> Floats:
    shares: Floats = np.bincount(tokens, minlength=size) / max(len(tokens), 1)
    return shares


def _length_classes(piece: Floats) -> NDArray[np.int64]:
    lengths = np.array(_LENGTHS) / 4
    nearest: NDArray[np.int64] = np.abs(piece[:, 1, None] - lengths).argmin(axis=1)
    return nearest


def _classes(piece: Floats) -> NDArray[np.int64]:
    return piece[:, 2].astype(np.int64) % 12


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else 0.0


FEATURES: dict[str, Callable[[Floats], float | Floats]] = {
    "pitch count": lambda p: float(len(np.unique(p[:, 2]))),
    "note count": lambda p: float(len(p)),
    "pitch range": lambda p: float(np.ptp(p[:, 2])),
    "mean interval": lambda p: _mean(np.abs(np.diff(p[:, 2]))),
    "mean inter-onset interval": lambda p: _mean(np.diff(p[:, 0])),
    "pitch-class histogram": lambda p: _histogram(_classes(p), 12),
    "pitch-class transitions": lambda p: _transitions(_classes(p), 12),
    "note-length histogram": lambda p: _histogram(_length_classes(p), 12),
    "note-length transitions": lambda p: _transitions(_length_classes(p), 12),
}


def compare(first: Sequence[Floats], second: Sequence[Floats]) -> dict[str, Likeness]:
    """Return for each feature how the distances of `first` to `second` are like those within.

    Args:
        first: Pieces with at least one note, such as those of a corpus; at least three.
        second: Pieces to compare with them, such as generated ones.
    """
    result = {}
    for name, feature in FEATURES.items():
        a, b = (np.array([np.atleast_1d(feature(p)) for p in pieces]) for pieces in (first, second))
        upper = np.triu_indices(len(a), 1)
        within, between = distances(a, a)[upper], distances(a, b)
        same = len(a) == len(b) and bool((a == b).all())
        result[name] = likeness(within, between[upper] if same else between.ravel())
    return result


def distances(a: Floats, b: Floats) -> Floats:
    """Return the Euclidean distances of all pairs, (N, D) and (M, D) -> (N, M)."""
    found: Floats = np.linalg.norm(a[:, None] - b[None], axis=-1)
    return found


def likeness(within: Floats, between: Floats) -> Likeness:
    """Compare the densities of two sets of distances, (K,) and (L,)."""
    if np.ptp(within) == 0 or np.ptp(between) == 0:
        return Likeness(math.nan, math.nan)
    densities = [gaussian_kde(values) for values in (within, between)]
    margin = 3 * max(float(np.sqrt(d.covariance[0, 0])) for d in densities)
    both = np.concatenate([within, between])
    points = np.linspace(both.min() - margin, both.max() + margin, _POINTS)
    p, q = (np.maximum(density(points), 1e-12) for density in densities)
    overlap = float(np.trapezoid(np.minimum(p, q), points))
    p, q = p / p.sum(), q / q.sum()
    return Likeness(float((p * np.log(p / q)).sum()), overlap)
