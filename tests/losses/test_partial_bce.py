import math

import pytest
import torch

from musicssl.losses.masked_bce import masked_bce
from musicssl.losses.partial_bce import partial_bce


def random_cells(seed=0):
    rng = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(9, 5, generator=rng)
    targets = torch.rand(9, 5, generator=rng)
    mask = torch.rand(9, 5, generator=rng) < 0.4
    mask[4] = False  # a clip without labels among the others
    return logits, targets, mask


def by_hand(logits, targets, mask, alpha, beta, gamma):
    """g(p) / C times the sum of a clip's cross-entropies, averaged over labelled clips."""
    clips = []
    for logit, y, seen in zip(logits.tolist(), targets.tolist(), mask.tolist(), strict=True):
        if not any(seen):
            continue
        p_observed = sum(seen) / len(seen)
        total = 0.0
        for value, target, observed in zip(logit, y, seen, strict=True):
            if observed:
                p = 1 / (1 + math.exp(-value))
                total -= target * math.log(p) + (1 - target) * math.log(1 - p)
        clips.append((alpha * p_observed**gamma + beta) / len(seen) * total)
    return sum(clips) / len(clips)


def test_the_mean_over_clips_of_two_unequal_clips():
    p = torch.tensor([[0.9, 0.5, 0.5], [0.2, 0.2, 0.2]])
    y = torch.tensor([[1.0, 0, 0], [1, 1, 1]])
    mask = torch.tensor([[True, False, False], [True, True, True]])
    expected = (-math.log(0.9) - math.log(0.2)) / 2
    assert expected == pytest.approx(0.8573993, abs=1e-7)
    assert partial_bce(p.logit(), y, mask).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("alpha", "beta", "gamma"), [(1, 0, -1), (-4.45, 5.45, 1), (0, 1, -1), (2, 0.5, 0.5)]
)
@pytest.mark.parametrize("seed", range(2))
def test_a_loop_from_the_formula(alpha, beta, gamma, seed):
    cells = random_cells(seed)
    value = partial_bce(*cells, alpha=alpha, beta=beta, gamma=gamma)
    assert value.item() == pytest.approx(by_hand(*cells, alpha, beta, gamma), rel=1e-5)


def test_clips_with_equally_many_labels_weigh_as_their_cells_do():
    logits, targets, _ = random_cells()
    mask = torch.zeros(9, 5, dtype=torch.bool)
    mask[:, :2] = True
    expected = masked_bce(logits, targets, mask)
    torch.testing.assert_close(partial_bce(logits, targets, mask), expected)


def test_unlabelled_clips_in_the_batch_do_not_dilute_the_loss():
    logits, targets, mask = random_cells()
    labelled = mask.any(dim=1)
    alone = partial_bce(logits[labelled], targets[labelled], mask[labelled])
    torch.testing.assert_close(partial_bce(logits, targets, mask), alone)
