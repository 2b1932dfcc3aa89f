"""Alignment of a pitch contour with its score by dynamic time warping."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_COARSE = 5  # frames that the alignment takes as one


def distances(contour: Floats, score: Floats) -> Floats:
    """Return the absolute difference of each pitch, (N,), from each of the score, (M,); (N, M)."""
    return np.abs(contour[:, None] - score)


def warping_path(costs: Floats) -> NDArray[np.int64]:
    """Return the cheapest path from the first to the last cell, with steps of 1 in one or both.

    Args:
        costs: Of each pair of frames, (N, M).

    Returns:
        Pairs of frames, (P, 2), ascending.
    """
    n, m = costs.shape
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0
    for diagonal in range(n + m - 1):  # the cells of an antidiagonal do not depend on each other
        i = np.arange(max(0, diagonal - m + 1), min(n, diagonal + 1))
        j = diagonal - i
        before = np.minimum(total[i, j], np.minimum(total[i, j + 1], total[i + 1, j]))
        total[i + 1, j + 1] = costs[i, j] + before
    i, j = n, m
    path = [(n - 1, m - 1)]
    while (i, j) != (1, 1):
        i, j = min(((i - 1, j - 1), (i - 1, j), (i, j - 1)), key=lambda cell: float(total[cell]))
        path.append((i - 1, j - 1))
    return np.array(path[::-1])


def aligned(contour: Floats, score: Floats) -> NDArray[np.int64]:
    """Return the frame of the score, (M,), at each frame of the contour, (N,); ascending.

    The path is found for every fifth frame, and is linear between them.
    """
    path = warping_path(distances(contour[::_COARSE], score[::_COARSE]))
    last = np.r_[path[1:, 0] != path[:-1, 0], True]  # of the frames of the score at one frame
    frames = np.interp(np.arange(len(contour)) / _COARSE, path[last, 0], path[last, 1])
    warp: NDArray[np.int64] = np.round(frames * _COARSE).astype(np.int64)
    return warp.clip(max=len(score) - 1)


def pieces(contour: Floats, score: Floats, frames: int) -> NDArray[np.float32]:
    """Cut a performance into pieces, (K, T, 3): contour, aligned score, and score by itself.

    What of the score is played in a piece is stretched to its length by one factor, for networks
    that align contour and score themselves.

    Args:
        contour: MIDI pitch of each frame, 0 where there is none, (N,).
        score: Of each frame of the score in its own time, (M,).
        frames: Frames of a piece, T; what is left at the end is left out.
    """
    warp = aligned(contour, score)
    found = []
    for start in range(0, len(contour) - frames + 1, frames):
        part = slice(start, start + frames)
        own = np.linspace(warp[part][0], warp[part][-1], frames).round().astype(np.int64)
        found.append(np.stack([contour[part], score[warp[part]], score[own]], axis=1))
    stacked = np.stack(found) if found else np.empty((0, frames, 3))
    return (stacked / 128).astype(np.float32)
