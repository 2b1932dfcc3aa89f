"""Oracles: closed forms, and counts by hand."""

import math

import pytest
import torch

from musicssl.errors import InputError
from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL, REGRESSION, TASKS
from musicssl.probing.base import Embeddings
from musicssl.probing.solvers.labels import (
    check_learnable,
    labelled_cells,
    prior_scores,
    smoothed_mean,
)

NAN = math.nan
MASK = torch.tensor([[True, True, True], [True, False, True], [False, False, False]])


def test_a_clip_of_one_class_counts_if_all_its_classes_were_observed():
    assert torch.equal(labelled_cells(MASK, MULTI_LABEL), MASK)
    assert torch.equal(labelled_cells(MASK, REGRESSION), MASK)
    assert labelled_cells(MASK, MULTI_CLASS).tolist() == [[True] * 3, [False] * 3, [False] * 3]


def test_half_a_clip_more_for_each_answer_or_the_mean():
    y = torch.tensor([[1.0, 0.0, 0.0], [1.0, NAN, 1.0], [NAN, NAN, NAN]])
    shares = prior_scores(y, MASK, MULTI_LABEL)
    torch.testing.assert_close(shares, torch.tensor([2.5 / 3, 0.5 / 2, 1.5 / 3]))
    shares = prior_scores(y, MASK, MULTI_CLASS)  # of the first clip alone
    torch.testing.assert_close(shares, torch.tensor([1.5 / 2.5, 0.5 / 2.5, 0.5 / 2.5]))
    values = torch.tensor([[4.0, NAN, 1.0], [8.0, NAN, -2.0], [NAN, NAN, NAN]])
    mask = MASK & torch.tensor([True, False, True])
    assert prior_scores(values, mask, REGRESSION).tolist() == [6.0, 0.0, -0.5]


def test_shares_keep_their_order_and_sum_to_1_over_classes():
    totals = torch.tensor([[0.0, 1.0, 4.0], [2.0, 2.0, 1.0]])
    answers = smoothed_mean(totals, torch.tensor(5), MULTI_CLASS)
    torch.testing.assert_close(answers.sum(1), torch.ones(2))
    assert torch.equal(answers.argsort(dim=1, stable=True), totals.argsort(dim=1, stable=True))
    assert (answers > 0).all()


def clips(num_clips=4):
    y = torch.nn.functional.one_hot(torch.arange(num_clips) % 3, 3).float()
    h = torch.arange(2.0 * num_clips).reshape(num_clips, 2)
    return Embeddings(h, y, torch.ones_like(y, dtype=torch.bool))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_subsets_and_validation_without_a_label_are_refused(task):
    train, val, rows = clips(), clips(), torch.tensor([0, 2])
    check_learnable(train, [rows], val, task)
    check_learnable(train, [], val, task)
    nothing = val._replace(mask=torch.zeros_like(val.mask))
    with pytest.raises(InputError, match="no validation clip has a label"):
        check_learnable(train, [rows], nothing, task)
    unlabelled = train._replace(mask=train.mask & (torch.arange(4) != 3)[:, None])
    check_learnable(unlabelled, [torch.tensor([0, 3])], val, task)
    for empty in (torch.tensor([3]), torch.tensor([], dtype=torch.int64)):
        with pytest.raises(InputError, match="no training clip has a label"):
            check_learnable(unlabelled, [rows, empty], val, task)


def test_a_class_known_to_be_absent_is_no_label_where_a_clip_has_one_class():
    train = clips()
    partly = train._replace(mask=torch.tensor([True, False, True]).expand(4, -1))
    with pytest.raises(InputError, match="no training clip"):
        check_learnable(partly, [torch.arange(4)], train, MULTI_CLASS)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_embeddings_that_are_not_finite_are_refused_where_they_are_used(bad):
    train, val = clips(), clips()
    h = train.h.clone()
    h[1, 0] = bad
    with pytest.raises(InputError, match="embedding of a training clip is not finite"):
        check_learnable(train._replace(h=h), [torch.tensor([0, 1])], val, MULTI_LABEL)
    check_learnable(train._replace(h=h), [torch.tensor([0, 2])], val, MULTI_LABEL)
    with pytest.raises(InputError, match="embedding of a validation clip is not finite"):
        check_learnable(train, [torch.arange(4)], val._replace(h=h), MULTI_LABEL)
