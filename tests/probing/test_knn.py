"""Oracles: scikit-learn where all is observed, a slow loop where it is not."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from musicssl.errors import InputError
from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL, REGRESSION, TASKS
from musicssl.probing import knn
from musicssl.probing.base import Embeddings
from musicssl.probing.knn import METRICS, KNearest
from musicssl.probing.solvers.labels import prior_scores
from musicssl.probing.solvers.scales import loss_of_scores

C, D, N = 4, 6, 80
ANSWERS = {"multi_label": 2, "multi_class": C}
CONF = Path(__file__).parents[2] / "conf" / "probe" / "knn.yaml"


def clips(task, num_clips=N, seed=0, observed=1.0):
    direction = torch.randn(C, D, generator=torch.Generator().manual_seed(9))
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(num_clips, D, generator=generator)
    values = h @ direction.T + torch.randn(num_clips, C, generator=generator)
    mask = torch.rand(num_clips, C, generator=generator) < observed
    y = (values > 0.5).float()
    if task is MULTI_CLASS:
        y = torch.nn.functional.one_hot(values.argmax(1), C).float()
        mask = mask[:, :1].expand(-1, C)
    if task is REGRESSION:
        y = 5 + values * torch.tensor([1.0, 100.0, 0.01, 1.0])
    return Embeddings(2 + h * torch.linspace(0.5, 2, D), y.where(mask, math.nan), mask)


def fit(train, task, neighbours, metric="cosine", val=None, rows=None):
    rows = torch.arange(len(train.h)) if rows is None else rows
    val = clips(task, seed=1) if val is None else val
    return KNearest(neighbours, metric).fit(train, [rows], val, task)[0]


def shares(scores, k, task):
    """Take back the half clips that were added for each answer."""
    answers = ANSWERS[task.name]
    return ((k + answers / 2) * scores.double() - 0.5) / k


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 5, 20, N])
def test_shares_and_means_are_those_of_scikit_learn(k, metric):
    for task in TASKS:
        train, test = clips(task), clips(task, seed=2)
        scaler = StandardScaler().fit(train.h.double().numpy())
        scaled, other = (scaler.transform(these.h.double().numpy()) for these in (train, test))
        found = fit(train, task, [k], metric).judge(test.h)
        if task is REGRESSION:
            model = KNeighborsRegressor(k, metric=metric).fit(scaled, train.y.double())
            np.testing.assert_allclose(found, model.predict(other), rtol=1e-5)
            continue
        model = KNeighborsClassifier(k, metric=metric)
        if task is MULTI_CLASS:
            expected = model.fit(scaled, train.y.argmax(1)).predict_proba(other)
        else:
            classes = model.fit(scaled, train.y.long()).predict_proba(other)
            expected = np.stack([probabilities[:, 1] for probabilities in classes], axis=1)
        np.testing.assert_allclose(shares(found, k, task), expected, atol=1e-5)


def slow_share(train, z, place, c, k):
    """Of the nearest clips in which one class was observed; and how many they are."""
    seen = [row for row in range(len(z)) if train.mask[row, c]]
    nearest = sorted(seen, key=lambda row: float((z[row] - place).square().sum()))[:k]
    return sum(float(train.y[row, c]) for row in nearest), len(nearest)


@pytest.mark.parametrize("k", [3, 12])
def test_neighbours_of_a_class_are_those_in_which_it_was_observed(k):
    train, test = clips(MULTI_LABEL, 30, observed=0.4), clips(MULTI_LABEL, 20, seed=2)
    mask = train.mask.clone()
    mask[:, 3] = False
    mask[4:, 1] = False  # fewer than k: all of them
    train = train._replace(mask=mask)
    found = fit(train, MULTI_LABEL, [k], "euclidean").judge(test.h)
    scaler = StandardScaler().fit(train.h.double().numpy())
    z, other = (torch.from_numpy(scaler.transform(h.double().numpy())) for h in (train.h, test.h))
    for clip in range(20):
        for c in range(3):
            total, count = slow_share(train, z, other[clip], c, k)
            assert found[clip, c].item() == pytest.approx((total + 0.5) / (count + 1), rel=1e-5)
    assert (found[:, 3] == 0.5).all()  # observed nowhere


def test_values_observed_in_no_clip_are_0_and_those_of_others_are_means_of_what_was_observed():
    train, test = clips(REGRESSION, 30, observed=0.5), clips(REGRESSION, 20, seed=2)
    mask = train.mask.clone()
    mask[:, 3] = False
    train = train._replace(mask=mask)
    found = fit(train, REGRESSION, [30]).judge(test.h)
    expected = prior_scores(train.y, train.mask, REGRESSION)
    torch.testing.assert_close(found, expected.expand(20, -1), rtol=1e-4, atol=0)
    assert (found[:, 3] == 0).all()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_of_many_k_at_once_the_one_that_validates_best_is_kept(task):
    train, val = clips(task, observed=0.7), clips(task, seed=1, observed=0.7)
    ks = (1, 2, 4, 8, 16, 32)
    alone = [fit(train, task, [k], val=val) for k in ks]
    together = fit(train, task, ks, val=val)
    best = min(alone, key=lambda probe: probe.val_loss)
    assert together.chosen == best.chosen
    assert together.chosen["neighbours"] not in (ks[0], ks[-1])
    assert together.val_loss == pytest.approx(best.val_loss, rel=1e-6)
    test = clips(task, seed=2)
    assert torch.equal(together.judge(test.h), best.judge(test.h))
    unit = torch.ones(C)
    if task is REGRESSION:  # no unit of a target decides
        unit = torch.stack([train.y[m, c].std(correction=0) for c, m in enumerate(train.mask.T)])
    expected = loss_of_scores(together.judge(val.h) / unit, val.y / unit, val.mask, task)
    assert together.val_loss == pytest.approx(expected, rel=1e-4)


def test_more_neighbours_than_labelled_clips_are_left_out_and_all_remain():
    train = clips(MULTI_LABEL)
    train = train._replace(mask=train.mask & (torch.arange(N) < 12)[:, None])
    rows = torch.arange(5, 40)  # 7 of them are labelled
    assert fit(train, MULTI_LABEL, [9, 8], rows=rows).chosen == {"neighbours": 7}
    assert fit(train, MULTI_LABEL, [9, 7, 8], rows=rows).chosen == {"neighbours": 7}
    one = fit(train, MULTI_LABEL, [3, 5], rows=torch.tensor([3]))
    assert one.chosen == {"neighbours": 1}
    expected = (train.y[3] + 0.5) / 2
    torch.testing.assert_close(one.judge(train.h), expected.expand(N, -1))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_subset_is_fitted_as_if_it_were_all_there_is(task):
    train, val, test = clips(task, observed=0.7), clips(task, seed=1), clips(task, seed=2)
    subsets = [torch.arange(10, 50), torch.arange(0, 80, 2), torch.arange(3, 9)]
    probes = KNearest().fit(train, subsets, val, task)
    for rows, probe in zip(subsets, probes, strict=True):
        alone = fit(train.select(rows), task, knn.NEIGHBOURS, val=val)
        assert (probe.chosen, probe.val_loss) == (alone.chosen, alone.val_loss)
        assert torch.equal(probe.judge(test.h), alone.judge(test.h))


@pytest.mark.parametrize("metric", METRICS)
def test_of_clips_that_are_equally_near_the_first_of_the_subset_are_taken(metric):
    """Copies of one clip: float64 sums of products may differ by where in a row they are."""
    places = clips(MULTI_LABEL, 10).h
    train = Embeddings(places.repeat(9, 1), torch.zeros(90, C), torch.ones(90, C) > 0)
    train.y[:20] = 1
    test = torch.cat([places, clips(MULTI_LABEL, 30, seed=2).h])
    for k, rows, share in ((2, torch.arange(90), 1), (2, torch.arange(89, -1, -1), 0)):
        probe = fit(train, MULTI_LABEL, [k], metric, rows=rows)
        found = shares(probe.judge(test), k, MULTI_LABEL)
        torch.testing.assert_close(found, torch.full_like(found, share))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_few_clips_at_a_time_give_what_all_at_once_do(task, monkeypatch):
    train, test = clips(task, observed=0.7), clips(task, seed=2)
    whole = fit(train, task, [1, 5, 10])
    expected = whole.judge(test.h)
    monkeypatch.setattr(knn, "_NUMBERS", 3 * N)
    parts = fit(train, task, [1, 5, 10])
    assert parts.val_loss == whole.val_loss
    assert torch.equal(parts.judge(test.h), expected)


def test_a_labelled_clip_without_a_direction_is_at_right_angles_to_all():
    h = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])  # their mean is 0
    y = torch.tensor([[0.0], [0.0], [1.0]])
    train = Embeddings(h, y, torch.ones_like(y) > 0)
    probe = fit(train, MULTI_LABEL, [2], val=train)
    found = shares(probe.judge(torch.tensor([[1.0, 0.1], [-1.0, 0.1]])), 2, MULTI_LABEL)
    torch.testing.assert_close(found.flatten(), torch.full((2,), 0.5, dtype=torch.float64))


def test_collapsed_embeddings_and_validation_of_one_class_are_answered_alike():
    train, val = clips(MULTI_CLASS), clips(MULTI_CLASS, seed=1)
    one = val._replace(y=torch.nn.functional.one_hot(torch.full((N,), 2), C).float())
    alike = train._replace(h=torch.full_like(train.h, 0.1))
    probe = fit(alike, MULTI_CLASS, [N], val=one)
    expected = prior_scores(train.y, train.mask, MULTI_CLASS)
    torch.testing.assert_close(probe.judge(val.h), expected.expand(N, -1))
    assert probe.val_loss == pytest.approx(-math.log(expected[2].item()), rel=1e-5)
    assert fit(alike, MULTI_CLASS, [1, 5], val=one).judge(val.h).isfinite().all()


@pytest.mark.parametrize("neighbours", [[], [0], [3, -1], [2.5]])
def test_invalid_numbers_of_neighbours_are_refused(neighbours):
    with pytest.raises(InputError, match=r"probe\.neighbours must be whole numbers from 1 up"):
        KNearest(neighbours)


def test_another_metric_and_clips_without_labels_are_refused():
    with pytest.raises(InputError, match="cosine or euclidean, got 'manhattan'"):
        KNearest(metric="manhattan")
    train = clips(MULTI_LABEL)
    with pytest.raises(InputError, match="no training clip has a label"):
        fit(train._replace(mask=~train.mask), MULTI_LABEL, [1])


def test_the_configuration_has_the_defaults():
    probe = instantiate(OmegaConf.load(CONF))
    assert isinstance(probe, KNearest)
    assert (tuple(probe.neighbours), probe.metric) == (knn.NEIGHBOURS, KNearest().metric)
