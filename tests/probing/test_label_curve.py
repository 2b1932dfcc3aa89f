import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from musicssl.data.splits import labelled_subset
from musicssl.errors import InputError
from musicssl.evaluation.tasks import MULTI_LABEL
from musicssl.probing.base import Embeddings
from musicssl.probing.label_curve import label_curve
from musicssl.probing.prototypes import nearest_prototype
from tests.support.clip_embeddings import N, clips


def test_a_curve_is_of_nested_labelled_clips_and_at_least_one():
    train, test = clips(), clips(seed=1)
    train.mask[:10] = False
    points = label_curve(nearest_prototype, train, test, MULTI_LABEL, [0.01, 0.5, 1.0], seed=4)
    labelled = int(train.mask.any(1).sum())
    assert [point.fraction for point in points] == [0.01, 0.5, 1.0]
    assert [point.clips for point in points] == [1, round(labelled / 2), labelled]
    for point in points:
        kept = labelled_subset(train.y.numpy(), train.mask.numpy(), point.fraction, 4)
        few = torch.from_numpy(np.isin(np.arange(N), kept))
        scores = nearest_prototype(Embeddings(*(part[few] for part in train)))(test.h)
        found = [
            roc_auc_score(test.y[seen, c], scores[seen, c]) for c, seen in enumerate(test.mask.T)
        ]
        assert point.macro["auroc"] == pytest.approx(np.mean(found), abs=1e-6)


def test_fractions_that_are_the_same_clips_are_one_point_that_of_the_largest():
    train, test = clips(), clips(seed=1)
    train.mask[4:] = False
    assert train.mask.any(1).sum() == 4
    points = label_curve(nearest_prototype, train, test, MULTI_LABEL, [0.01, 0.1, 0.5, 0.9, 1.0])
    assert [(point.fraction, point.clips) for point in points] == [(0.1, 1), (0.5, 2), (1.0, 4)]


def test_curves_of_other_seeds_are_of_other_clips():
    train, test = clips(), clips(seed=1)
    first, second = (
        label_curve(nearest_prototype, train, test, MULTI_LABEL, [0.2], seed)[0].macro["auroc"]
        for seed in (0, 1)
    )
    assert first != second


def test_a_curve_without_labels_is_refused():
    train = clips()
    with pytest.raises(InputError, match="no training clip has a label"):
        label_curve(nearest_prototype, train._replace(mask=train.mask & False), train, MULTI_LABEL)
