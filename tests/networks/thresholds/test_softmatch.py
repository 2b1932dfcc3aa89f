import math
import statistics

import pytest
import torch

from musicssl.errors import InputError
from musicssl.networks.thresholds.softmatch import SoftMatchWeights

PRIOR = torch.full((3,), 0.3)


def predictions(count=6, seed=0):
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed)).softmax(dim=1)


@pytest.mark.parametrize(("align", "deviations"), [(True, 1.0), (False, 1.0), (True, 2.0)])
def test_weights_follow_the_formula_of_the_paper(align, deviations):
    """Oracle: the truncated Gaussian, its averages and the alignment, clip by clip."""
    momentum = 0.7
    subject = SoftMatchWeights(3, momentum, align, deviations, one_class_per_clip=True)
    mean, variance, expectation = 1 / 3, 1.0, [1 / 3] * 3

    def aligned(q):
        if not align:
            return q
        scaled = [p / 3 / e for p, e in zip(q, expectation, strict=True)]
        return [p / sum(scaled) for p in scaled]

    for seed in range(8):
        probs = predictions(seed=seed)
        subject.update(probs, PRIOR)
        rows = probs.tolist()
        for c in range(3):
            of_batch = sum(q[c] for q in rows) / 6
            expectation[c] = momentum * expectation[c] + (1 - momentum) * of_batch
        confidences = [max(aligned(q)) for q in rows]
        mean = momentum * mean + (1 - momentum) * statistics.mean(confidences)
        variance = momentum * variance + (1 - momentum) * statistics.variance(confidences)
    present, absent = subject.weights(probs, PRIOR)
    below = 0
    for q, confidence, weights in zip(rows, confidences, present.tolist(), strict=True):
        expected = 1.0
        if confidence < mean:
            expected = math.exp(-((confidence - mean) ** 2) * deviations**2 / (2 * variance))
            below += 1
        answer = q.index(max(q))
        assert weights == pytest.approx([expected * (c == answer) for c in range(3)], abs=1e-5)
    assert 0 < below < 6
    assert not absent.any()


def test_uniform_alignment_favours_the_class_that_is_seldom_predicted():
    subject = SoftMatchWeights(2, momentum=0.0, one_class_per_clip=True)
    scores = torch.tensor([[0.9, 0.1]] * 9 + [[0.3, 0.7]])
    subject.update(scores, PRIOR[:2])
    present, _ = subject.weights(scores, PRIOR[:2])
    assert present[9, 1] > present[0, 0]


def test_a_label_is_aligned_to_its_prior():
    """Oracle: a multi-class softmax of two outcomes, aligned by hand to the prior."""
    scores = torch.rand(20, 3, generator=torch.Generator().manual_seed(1))
    prior = torch.tensor([0.1, 0.5, torch.nan])
    subject = SoftMatchWeights(3, momentum=0.0)
    subject.update(scores, prior)
    present, absent = subject.weights(scores, prior)
    assert (present * absent == 0).all()
    for c in range(3):
        mean = scores[:, c].mean()
        target = mean if c == 2 else prior[c]  # a class without labels is not aligned
        up, down = scores[:, c] * target / mean, (1 - scores[:, c]) * (1 - target) / (1 - mean)
        confidence = (torch.maximum(up, down) / (up + down)).double()
        below = (confidence - confidence.mean()).clamp_max(0)
        expected = (-below.square() / (2 * confidence.var())).exp().float()
        torch.testing.assert_close(present[:, c] + absent[:, c], expected, atol=1e-4, rtol=1e-3)
        assert torch.equal(present[:, c] > 0, scores[:, c] >= 0.5)


def test_a_batch_of_one_clip_keeps_the_variance():
    subject = SoftMatchWeights(3, momentum=0.5, one_class_per_clip=True)
    subject.update(predictions(1), PRIOR)
    assert subject.variance.item() == 1.0


@pytest.mark.parametrize("setting", [{"momentum": 1.0}, {"num_deviations": 0.0}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=f"thresholds.{next(iter(setting))} must be"):
        SoftMatchWeights(3, **setting)
