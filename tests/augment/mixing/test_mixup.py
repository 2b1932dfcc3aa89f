from types import SimpleNamespace

import pytest
import torch

from musicssl.augment.mixing.mixup import Mixup, mix
from musicssl.batch import Batch
from musicssl.errors import InputError


def bags(sound=False):
    generator = torch.Generator().manual_seed(0)
    shape = (6, 5) if sound else (6, 5, 4)
    x = torch.rand(shape, generator=generator)
    y = torch.rand(6, 3, generator=generator)
    mask = torch.rand(6, 3, generator=generator) < 0.7
    lengths = torch.tensor([5, 2, 3, 1, 4, 5])
    x[torch.arange(5) >= lengths[:, None]] = torch.nan  # padding may be anything
    y[~mask] = torch.nan
    return Batch(x, y, mask, lengths)


@pytest.mark.parametrize("sound", [True, False])
def test_a_mix_is_the_weighted_mean_of_every_instance_and_target(sound):
    """Oracle: a loop over clips, instances and classes."""
    batch, partner = bags(sound), torch.tensor([1, 0, 5, 4, 3, 2])
    share = torch.tensor([0.6, 0.7, 0.8, 0.9, 1.0, 0.5])
    found = mix(batch, partner, share)
    assert torch.equal(found.lengths, batch.lengths)
    for i, j in enumerate(partner.tolist()):
        own, other, w = int(batch.lengths[i]), int(batch.lengths[j]), share[i]
        for t in range(own):
            expected = w * batch.x[i, t] + (1 - w) * batch.x[j, t % other]
            torch.testing.assert_close(found.x[i, t], expected)
        for c in range(3):
            known = batch.mask[i, c] and (batch.mask[j, c] or w == 1)
            assert found.mask[i, c] == known
            if known and w < 1:
                torch.testing.assert_close(
                    found.y[i, c], w * batch.y[i, c] + (1 - w) * batch.y[j, c]
                )


def test_a_share_of_one_is_no_mixup_to_the_bit():
    batch = bags()
    found = mix(batch, torch.tensor([1, 0, 5, 4, 3, 2]), torch.ones(6))
    for before, after in zip(batch, found, strict=True):
        if before is not None:
            assert torch.equal(before.nan_to_num(7), after.nan_to_num(7))
    assert torch.equal(Mixup(0.0)(batch).x.nan_to_num(7), batch.x.nan_to_num(7))


def test_a_clip_keeps_the_greater_share(monkeypatch):
    drawn = torch.tensor([0.1, 0.8, 0.5, 0.3, 0.9, 0.0])
    monkeypatch.setattr(
        torch.distributions, "Beta", lambda a, b, **_: SimpleNamespace(sample=lambda: drawn)
    )
    x = torch.eye(6)[:, None]  # a clip is told by its only feature that is not 0
    found = Mixup(0.4)(Batch(x, torch.ones(6, 1), torch.ones(6, 1, dtype=torch.bool))).x
    kept = found[:, 0].diagonal()
    assert ((kept - torch.maximum(drawn, 1 - drawn)).abs() < 1e-6).logical_or(kept == 1).all()
    torch.testing.assert_close(found.sum(dim=2), torch.ones(6, 1))


def test_shares_follow_the_beta_distribution():
    """Oracle: mean of max(l, 1 - l) for l uniform (alpha 1) is 3/4."""
    torch.manual_seed(0)
    x = (
        torch.arange(20_000.0)[:, None, None] * 0
        + torch.tensor([0.0, 1.0]).repeat(10_000)[:, None, None]
    )
    batch = Batch(x, x[:, 0], torch.ones(20_000, 1, dtype=torch.bool))
    moved = (Mixup(1.0)(batch).x - x).abs().flatten()  # 0 if both are of one kind
    assert moved[moved > 0].mean().item() == pytest.approx(0.25, abs=0.01)


def test_a_negative_alpha_is_refused():
    with pytest.raises(InputError, match=r"mixing\.alpha must be 0 or more"):
        Mixup(-1.0)


@pytest.mark.parametrize("all_known", [True, False])
def test_what_a_teacher_says_is_mixed_and_masked_as_targets_are(all_known):
    batch, partner = bags(), torch.tensor([1, 0, 5, 4, 3, 2])
    share = torch.tensor([0.6, 0.7, 0.8, 0.9, 1.0, 0.5])
    teacher_mask = None if all_known else torch.tensor([True, False, True, True, True, False])
    teacher = torch.rand(6, 2)
    found = mix(batch._replace(teacher=teacher, teacher_mask=teacher_mask), partner, share)
    for i, j in enumerate(partner.tolist()):
        torch.testing.assert_close(
            found.teacher[i], teacher[i] * share[i] + teacher[j] * (1 - share[i])
        )
        if teacher_mask is not None:
            assert found.teacher_mask[i] == (teacher_mask[i] and (teacher_mask[j] or share[i] == 1))
    assert (found.teacher_mask is None) == all_known
