"""Oracles: a slow loop from the definition, and scikit-learn's NearestCentroid."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import StandardScaler

from musicssl.errors import InputError
from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL, REGRESSION
from musicssl.probing.base import Embeddings
from musicssl.probing.prototypes import (
    Prototypes,
    nearest_prototype,
    prototype_scores,
    prototypes,
)
from tests.support.clip_embeddings import C, N, clips


def one_class(seed=0):
    these = clips(seed, observed=1)
    y = torch.nn.functional.one_hot(these.y.argmax(1), C).float()
    return these._replace(y=y)


def slow_prototype(z, y, mask, c):
    total, weight = np.zeros(z.shape[1]), 0.0
    for clip in range(len(z)):
        if mask[clip, c]:
            total += float(y[clip, c]) * z[clip] / math.sqrt(sum(value**2 for value in z[clip]))
            weight += float(y[clip, c])
    return total / weight


@pytest.mark.parametrize("softness", [0.0, 0.3])
def test_prototypes_are_mean_directions_of_the_clips_observed_present(softness):
    h, y, mask = clips()
    y = y * (1 - softness) + softness / 2
    found = prototypes(h, y, mask)
    for c in range(C):
        expected = slow_prototype(h.double().numpy(), y.numpy(), mask.numpy(), c)
        np.testing.assert_allclose(found[c], expected, atol=1e-6)


def test_scores_are_cosines_with_them():
    h, y, mask = clips()
    centres = prototypes(h, y, mask)
    other = clips(seed=1).h
    found = prototype_scores(other, centres)
    for clip in range(N):
        for c in range(C):
            a, b = other[clip].double(), centres[c].double()
            expected = (a @ b) / (a.norm() * b.norm())
            assert found[clip, c].item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_length_of_an_embedding_does_not_count():
    h, y, mask = clips()
    lengths = torch.rand(N, 1, generator=torch.Generator().manual_seed(3)) + 0.01
    torch.testing.assert_close(prototypes(lengths * h, y, mask), prototypes(h, y, mask))


def test_a_class_present_nowhere_has_no_prototype_orders_nothing_and_is_never_the_answer():
    h, y, mask = clips()
    y = y.clone()
    y[:, 1] = torch.where(mask[:, 1], 0.0, 1.0)  # where it was not observed it does not count
    centres = prototypes(h, y, mask)
    assert centres[1].isnan().all()
    assert centres[[0, 2]].isfinite().all()
    scores = prototype_scores(h, centres)
    assert (scores[:, 1] == -1).all()
    truth = clips().y[:, 0].nan_to_num(0) > 0
    assert roc_auc_score(truth, scores[:, 1]) == 0.5
    opposite = prototype_scores(-centres[[0]] - centres[[2]], centres)
    assert opposite.argmax() != 1


def test_a_silent_clip_without_a_direction_harms_nothing():
    h, y, mask = clips()
    h[0] = 0
    assert prototype_scores(h, prototypes(h, y, mask)).isfinite().all()


def test_decisions_are_those_of_the_nearest_centroid_by_cosine():
    train, test = one_class(), one_class(seed=1)
    centres = torch.nn.functional.normalize(prototypes(*train), dim=1)
    units = torch.nn.functional.normalize(train.h, dim=1)
    oracle = NearestCentroid().fit(units, train.y.argmax(1))
    # The nearest of unit centroids by distance is that of the greatest cosine.
    np.testing.assert_allclose(oracle.centroids_, prototypes(*train), atol=1e-6)
    oracle.centroids_ = centres.numpy()
    answers = prototype_scores(test.h, prototypes(*train)).argmax(1)
    np.testing.assert_array_equal(
        answers, oracle.predict(torch.nn.functional.normalize(test.h, dim=1).numpy())
    )


def test_clips_are_judged_by_embeddings_standardised_by_the_labelled_ones():
    train, test = clips(), clips(seed=1)
    scaler = StandardScaler().fit(train.h.double().numpy())
    scaled, other = (
        torch.from_numpy(scaler.transform(these.h.double().numpy())) for these in (train, test)
    )
    expected = (1 + prototype_scores(other, prototypes(scaled, train.y, train.mask))) / 2
    found = nearest_prototype(train)(test.h)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    moved = train._replace(h=3 * train.h + 100)  # what all clips share does not count
    torch.testing.assert_close(nearest_prototype(moved)(3 * test.h + 100), found, rtol=0, atol=1e-4)


@pytest.mark.parametrize("count", [1, 3])
def test_a_single_clip_and_clips_that_are_alike_are_compared_as_they_are(count):
    """By themselves they have no spread, and standardised all would be 0: no direction at all."""
    h, test = clips().h[:1].expand(count, -1), clips(seed=1)
    y = torch.tensor([1.0, 0.0, 1.0]).expand(count, -1)
    scores = nearest_prototype(Embeddings(h, y, torch.ones_like(y, dtype=torch.bool)))(test.h)
    cosines = torch.nn.functional.cosine_similarity(test.h, h[:1])
    torch.testing.assert_close(scores[:, 0], (1 + cosines) / 2)
    assert torch.equal(scores[:, 0], scores[:, 2])
    assert (scores[:, 1] == 0).all()


@pytest.mark.parametrize("task", [MULTI_LABEL, MULTI_CLASS], ids=lambda task: task.name)
def test_the_probe_judges_by_the_prototypes_of_each_subset(task):
    train = one_class() if task is MULTI_CLASS else clips()
    val, test = one_class(seed=1), clips(seed=2)
    subsets = [torch.arange(20), torch.arange(5, 40, 2)]
    probes = Prototypes().fit(train, subsets, val, task)
    for rows, probe in zip(subsets, probes, strict=True):
        judge = nearest_prototype(train.select(rows))
        assert torch.equal(probe.judge(test.h), judge(test.h))
        scores = judge(val.h).double()
        if task is MULTI_CLASS:
            expected = log_loss(val.y.argmax(1), scores / scores.sum(1, keepdim=True))
        else:
            expected = log_loss(val.y.flatten(), scores.flatten())
        assert probe.val_loss == pytest.approx(expected, rel=1e-4)
        assert not probe.chosen


def test_the_loss_is_finite_where_a_class_has_no_clip():
    train, val = one_class(), one_class(seed=1)
    rows = (train.y[:, 1] == 0).nonzero().flatten()
    probe = Prototypes().fit(train, [rows], val, MULTI_CLASS)[0]
    assert (probe.judge(val.h)[:, 1] == 0).all()
    assert math.isfinite(probe.val_loss)


def test_values_have_no_prototypes_and_clips_without_labels_neither():
    train, rows = clips(), torch.arange(N)
    with pytest.raises(InputError, match="choose probe=linear or probe=knn"):
        Prototypes().fit(train, [rows], train, REGRESSION)
    nothing = train._replace(mask=torch.zeros_like(train.mask))
    with pytest.raises(InputError, match="no validation clip has a label"):
        Prototypes().fit(train, [rows], nothing, MULTI_LABEL)


def test_the_configuration_builds_it():
    path = Path(__file__).parents[2] / "conf" / "probe" / "prototypes.yaml"
    assert instantiate(OmegaConf.load(path)) == Prototypes()
