import math

import pytest
import torch

from musicssl.errors import InputError
from musicssl.networks.thresholds.freematch import FreeMatchThresholds

PRIOR = torch.full((3,), 0.3)


def predictions(count=6, seed=0):
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed)).softmax(dim=1)


def test_thresholds_follow_the_formulas_of_the_paper():
    """Oracle: equations 5 to 8, class by class and clip by clip."""
    subject, momentum = FreeMatchThresholds(3, momentum=0.7, one_class_per_clip=True), 0.7
    level, expectation = 1 / 3, [1 / 3] * 3
    for seed in range(4):
        probs = predictions(seed=seed)
        subject.update(probs, PRIOR)
        rows = probs.tolist()
        level = momentum * level + (1 - momentum) * sum(max(q) for q in rows) / 6
        for c in range(3):
            mean = sum(q[c] for q in rows) / 6
            expectation[c] = momentum * expectation[c] + (1 - momentum) * mean
        present, absent = subject.weights(probs, PRIOR)
        selected = 0
        for q, weights in zip(rows, present.tolist(), strict=True):
            answer = q.index(max(q))
            trusted = max(q) > expectation[answer] / max(expectation) * level
            selected += trusted
            assert weights == [float(trusted and c == answer) for c in range(3)]
        assert selected > 0
        assert not absent.any()


def test_the_first_threshold_is_that_of_a_uniform_network():
    subject = FreeMatchThresholds(4, one_class_per_clip=True)
    uniform = torch.full((2, 4), 0.25)
    assert not subject.weights(uniform, PRIOR)[0].any()
    assert subject.weights(torch.tensor([[0.26, 0.25, 0.25, 0.24]]), PRIOR)[0].sum() == 1


def test_a_label_is_a_variable_of_two_outcomes():
    """Oracle: the multi-class thresholds of each label alone."""
    scores = torch.rand(20, 3, generator=torch.Generator().manual_seed(1))
    together = FreeMatchThresholds(3, momentum=0.5)
    together.update(scores, PRIOR)
    present, absent = together.weights(scores, PRIOR)
    for c in range(3):
        pairs = torch.stack([scores[:, c], 1 - scores[:, c]], dim=1)
        alone = FreeMatchThresholds(2, momentum=0.5, one_class_per_clip=True)
        alone.update(pairs, PRIOR[:2])
        expected = alone.weights(pairs, PRIOR[:2])[0]
        assert torch.equal(torch.stack([present[:, c], absent[:, c]], dim=1), expected)
    assert present.any()
    assert absent.any()


def test_a_momentum_out_of_range_is_refused():
    with pytest.raises(InputError, match=r"thresholds\.momentum must be in"):
        FreeMatchThresholds(3, momentum=1.0)


def test_fairness_follows_the_formulas_of_the_paper():
    """Oracle: equations 9 to 11 in loops; one class is never predicted on a strong view."""
    subject = FreeMatchThresholds(3, momentum=0.7, fairness=0.05, one_class_per_clip=True)
    expectation, histogram = [1 / 3] * 3, [1 / 3] * 3
    for seed in range(3):
        rows = predictions(seed=seed).tolist()
        subject.update(predictions(seed=seed), PRIOR)
        for c in range(3):
            share = sum(q.index(max(q)) == c for q in rows) / 6
            expectation[c] = 0.7 * expectation[c] + 0.3 * sum(q[c] for q in rows) / 6
            histogram[c] = 0.7 * histogram[c] + 0.3 * share
    logits = torch.tensor([[2.0, 1, 0], [0.5, 0, 0], [0, 3, 1], [0, 0, 4], [0, 1, 0.5]])
    selected = torch.tensor([1.0, 1, 1, 0, 1])
    chosen = [q for q, s in zip(logits.softmax(dim=1).tolist(), selected, strict=True) if s]
    first = [p / h for p, h in zip(expectation, histogram, strict=True)]
    second = []
    for c in range(3):
        count = sum(q.index(max(q)) == c for q in chosen)
        second.append(sum(q[c] for q in chosen) / count if count else 0.0)
    assert second[2] == 0.0
    expected = sum(
        a / sum(first) * math.log(b / sum(second) + 1e-12)
        for a, b in zip(first, second, strict=True)
    )
    found = subject.penalty(logits, selected)
    assert found.item() == pytest.approx(0.05 * expected, rel=1e-4)
    assert subject.penalty(logits, torch.zeros(5)).item() == 0
    assert FreeMatchThresholds(3, one_class_per_clip=True).penalty(logits, selected).item() == 0


def test_fairness_has_a_finite_gradient_that_moves_predictions():
    subject = FreeMatchThresholds(3, fairness=1.0, one_class_per_clip=True)
    logits = torch.randn(6, 3, requires_grad=True)
    subject.penalty(logits, torch.ones(6)).backward()
    assert logits.grad.isfinite().all()
    assert logits.grad.abs().max() > 0


@pytest.mark.parametrize(("fairness", "one_class"), [(-0.1, True), (0.1, False)])
def test_fairness_is_for_one_class_a_clip(fairness, one_class):
    with pytest.raises(InputError, match=r"thresholds\.fairness must be 0 or more"):
        FreeMatchThresholds(3, fairness=fairness, one_class_per_clip=one_class)
