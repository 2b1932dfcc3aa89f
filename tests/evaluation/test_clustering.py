"""Oracles: all matchings tried one by one, scikit-learn, and a slow loop."""

import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from musicssl.evaluation.clustering import (
    class_shares,
    cluster_accuracy,
    normalised_mutual_information,
)


def answers(num_clusters, num_classes, count=60, seed=0):
    rng = np.random.default_rng(seed)
    classes = rng.integers(num_classes, size=count)
    clusters = np.where(rng.random(count) < 0.6, classes, rng.integers(num_clusters, size=count))
    return clusters % num_clusters, classes


@pytest.mark.parametrize(("num_clusters", "num_classes"), [(4, 4), (5, 3), (3, 5)])
def test_the_matching_is_the_best_of_all(num_clusters, num_classes):
    clusters, classes = answers(num_clusters, num_classes)
    size = max(num_clusters, num_classes)
    shares = [
        np.mean(np.array(matched)[clusters] == classes)
        for matched in itertools.permutations(range(size))
    ]
    assert cluster_accuracy(clusters, classes) == pytest.approx(max(shares))


def test_names_of_clusters_and_of_classes_are_of_no_account():
    clusters, classes = answers(6, 6)
    expected = cluster_accuracy(clusters, classes)
    rng = np.random.default_rng(1)
    for _ in range(5):
        renamed = rng.permutation(6)[clusters], rng.permutation(6)[classes]
        assert cluster_accuracy(*renamed) == expected
    assert cluster_accuracy(rng.permutation(6)[classes], classes) == 1


def test_mutual_information_is_that_of_scikit_learn():
    clusters, classes = answers(4, 5)
    expected = normalized_mutual_info_score(classes, clusters)
    assert normalised_mutual_information(clusters, classes) == expected
    assert normalised_mutual_information(classes + 2, classes) == pytest.approx(1)


def test_without_clips_nothing_is_defined():
    nothing = np.zeros(0, np.int64)
    assert math.isnan(cluster_accuracy(nothing, nothing))
    assert math.isnan(normalised_mutual_information(nothing, nothing))


def test_shares_are_of_the_clips_in_which_a_class_was_observed():
    rng = np.random.default_rng(0)
    clusters, y, mask = rng.integers(3, size=40), rng.random((40, 5)), rng.random((40, 5)) < 0.7
    mask[clusters == 1, 2] = False
    found = class_shares(clusters, y, mask, 4)
    for k in range(4):
        for c in range(5):
            seen = [y[i, c] >= 0.5 for i in range(40) if clusters[i] == k and mask[i, c]]
            expected = sum(seen) / len(seen) if seen else math.nan
            assert found[k, c] == pytest.approx(expected, nan_ok=True)
    assert np.isnan(found[1, 2])
    assert np.isnan(found[3]).all()
