"""The unlabelled bound of M2: what it is never below, and where its gradients go."""

import pytest
import torch
from torch.distributions import Categorical
from torch.nn.functional import logsigmoid

from musicssl.losses.m2 import log_answers, unlabelled_bound


def drawn(*shape):
    torch.manual_seed(0)
    return 3 * torch.randn(*shape)


def test_it_is_the_expected_bound_less_the_entropy():
    bounds, log_q = drawn(4, 6, 3), torch.randn(4, 6, 3).log_softmax(dim=-1)
    q = Categorical(logits=log_q)
    expected = (q.probs * bounds).sum(dim=-1) - q.entropy()
    torch.testing.assert_close(unlabelled_bound(bounds, log_q), expected)


def test_it_is_never_below_the_log_evidence_and_reaches_it_at_the_posterior():
    bounds = drawn(1000, 4)
    log_q = (2 * torch.randn(1000, 4)).log_softmax(dim=-1)
    evidence = -(-bounds).logsumexp(dim=-1)  # -log sum_y exp(-L)
    assert (unlabelled_bound(bounds, log_q) > evidence).all()
    at_the_posterior = unlabelled_bound(bounds, (-bounds).log_softmax(dim=-1))
    torch.testing.assert_close(at_the_posterior, evidence)


def test_with_a_single_value_it_is_the_labelled_bound():
    bounds = drawn(5, 1)
    assert torch.equal(unlabelled_bound(bounds, torch.zeros(5, 1)), bounds[:, 0])


def test_gradients_flow_into_q_by_the_bounds_and_into_the_bounds_by_q():
    """dU/da_j = q_j (L_j + log q_j - U) of logits a; dU/dL_j = q_j."""
    bounds, logits = drawn(5, 3).requires_grad_(), torch.randn(5, 3, requires_grad=True)
    log_q = log_answers(logits)
    found = unlabelled_bound(bounds, log_q)
    found.sum().backward()
    with torch.no_grad():
        q = logits.softmax(dim=-1)
        torch.testing.assert_close(logits.grad, q * (bounds + q.log() - found[:, None]))
        torch.testing.assert_close(bounds.grad, q)


def test_an_answer_that_is_out_of_the_question_costs_nothing():
    logits = torch.tensor([[0.0, 500.0]], requires_grad=True)
    found = unlabelled_bound(torch.tensor([[1e6, 2.0]]), log_answers(logits))
    found.sum().backward()
    assert found.item() == 2
    assert torch.isfinite(logits.grad).all()


def test_one_logit_is_that_of_present_the_second_of_two_answers():
    logits = drawn(6, 1)
    log_q = log_answers(logits)
    torch.testing.assert_close(log_q[:, 1], logsigmoid(logits[:, 0]))
    as_two = torch.cat([torch.zeros(6, 1), logits], dim=1)
    torch.testing.assert_close(log_q, log_answers(as_two))
    torch.testing.assert_close(log_q.exp().sum(dim=-1), torch.ones(6))


@pytest.mark.parametrize("answers", [1, 3])
def test_probabilities_are_not_of_half_precision(answers):
    logits = drawn(6, answers).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(log_answers(logits), log_answers(logits.float()))
