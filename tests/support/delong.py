"""The covariance of two areas by the double loops of DeLong 1988."""

import numpy as np


def psi(positive, negative):
    return 1.0 if positive > negative else 0.5 if positive == negative else 0.0


def slow_placements(positives, negatives):
    v10 = [np.mean([psi(x, y) for y in negatives]) for x in positives]
    v01 = [np.mean([psi(x, y) for x in positives]) for y in negatives]
    return np.array(v10), np.array(v01)


def slow_covariance(first, second, present):
    """Covariance of the areas of two classifiers on the same clips, DeLong et al. (1988)."""
    areas, v10s, v01s = [], [], []
    for scores in (first, second):
        v10, v01 = slow_placements(scores[present], scores[~present])
        areas.append(v10.mean())
        v10s.append(v10)
        v01s.append(v01)
    m, n = present.sum(), (~present).sum()
    s10 = sum((a - areas[0]) * (b - areas[1]) for a, b in zip(*v10s, strict=True)) / (m - 1)
    s01 = sum((a - areas[0]) * (b - areas[1]) for a, b in zip(*v01s, strict=True)) / (n - 1)
    return s10 / m + s01 / n
