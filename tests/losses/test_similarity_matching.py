import math

import pytest
import torch

from musicssl.losses.similarity_matching import aggregated, instance_logits, unfolded

CLASSES = torch.tensor([0, 2, 2, 1, 0])


def drawn(seed=0):
    generator = torch.Generator().manual_seed(seed)
    q = torch.rand(4, 5, generator=generator).softmax(dim=1)
    p = torch.randn(4, 3, generator=generator).softmax(dim=1)
    return q, p


def test_similarities_are_a_softmax_of_cosines_clip_by_clip():
    """Oracle: equation 5, by plain numbers."""
    z, memory = torch.randn(3, 4), 5 * torch.randn(5, 4)
    filled = torch.tensor([True, True, False, True, True])
    found = instance_logits(z, memory, filled, temperature=0.2).softmax(dim=1)
    for i in range(3):
        powers = []
        for k in range(5):
            dot = sum(a * b for a, b in zip(z[i].tolist(), memory[k].tolist(), strict=True))
            cosine = dot / (math.hypot(*z[i].tolist()) * math.hypot(*memory[k].tolist()))
            powers.append(math.exp(cosine / 0.2) if filled[k] else 0.0)
        assert found[i].tolist() == pytest.approx([e / sum(powers) for e in powers], rel=1e-4)


def test_clips_that_were_not_seen_have_no_similarity_and_no_gradient_that_is_nan():
    z = torch.randn(3, 4, requires_grad=True)
    logits = instance_logits(z, torch.randn(5, 4), torch.arange(5) < 2, temperature=0.1)
    q = logits.softmax(dim=1)
    assert (q[:, 2:] == 0).all()
    loss = -(q.detach() * logits.log_softmax(dim=1)).sum()
    loss.backward()
    assert loss.isfinite()
    assert z.grad.isfinite().all()


def test_none_known_is_finite():
    logits = instance_logits(torch.randn(3, 4), torch.zeros(5, 4), torch.zeros(5).bool(), 0.1)
    torch.testing.assert_close(logits.softmax(dim=1), torch.full((3, 5), 0.2))


def test_unfolding_weighs_each_labelled_clip_by_the_probability_of_its_class():
    """Oracle: equations 9 and 10 in loops."""
    q, p = drawn()
    found = unfolded(q, p, CLASSES)
    for i in range(4):
        scaled = [(q[i, k] * p[i, c]).item() for k, c in enumerate(CLASSES.tolist())]
        assert found[i].tolist() == pytest.approx([s / sum(scaled) for s in scaled], rel=1e-5)


def test_aggregation_mixes_probabilities_with_votes():
    """Oracle: equations 11 and 12 in loops."""
    q, p = drawn(1)
    found = aggregated(q, p, CLASSES, alpha=0.7)
    for i in range(4):
        for c in range(3):
            votes = sum(q[i, k].item() for k in range(5) if CLASSES[k] == c)
            expected = 0.7 * p[i, c].item() + 0.3 * votes
            assert found[i, c].item() == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(4))


def test_a_uniform_prediction_changes_no_similarity_and_alpha_1_no_prediction():
    q, p = drawn(2)
    torch.testing.assert_close(unfolded(q, torch.full((4, 3), 1 / 3), CLASSES), q)
    assert torch.equal(aggregated(q, p, CLASSES, alpha=1.0), p)
