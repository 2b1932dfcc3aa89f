from itertools import product

import pytest
import torch

from musicssl.augment.mixing.add import Add, add, union
from musicssl.batch import Batch
from musicssl.errors import InputError

PRESENT, ABSENT, UNKNOWN = "present", "absent", "unknown"
STATES = (PRESENT, ABSENT, UNKNOWN)


def cells(states):
    """Return targets, anything where unknown, and the mask of three-valued labels."""
    values = {PRESENT: 1.0, ABSENT: 0.0, UNKNOWN: float("nan")}
    y = torch.tensor([[values[state] for state in row] for row in states])
    return y, ~y.isnan()


def test_the_union_of_labels_knows_what_follows_from_both():
    """Oracle: a triple loop over three-valued labels of three classes."""
    rows = list(product(STATES, repeat=3))
    pairs = list(product(rows, rows))
    first, second = cells([a for a, _ in pairs]), cells([b for _, b in pairs])
    y, mask = union(*first, *second)
    for row, (a, b) in enumerate(pairs):
        for c in range(3):
            either, both = PRESENT in (a[c], b[c]), a[c] == b[c] == ABSENT
            assert mask[row, c] == (either or both)
            if mask[row, c]:
                assert y[row, c] == (1.0 if either else 0.0)


def sounds(lengths=None):
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(4, 6, generator=generator) - 1
    y = (torch.rand(4, 3, generator=generator) < 0.5).float()
    mask = torch.rand(4, 3, generator=generator) < 0.7
    return Batch(x, y, mask, None if lengths is None else torch.tensor(lengths))


def test_a_sum_is_that_of_the_samples_as_long_as_the_longer_clip():
    batch, partner = sounds([6, 2, 4, 5]), torch.tensor([1, 2, 3, 0])
    batch.x[torch.arange(6) >= batch.lengths[:, None]] = torch.nan
    level = torch.tensor([0.5, 2.0, 1.0, 0.0])
    found = add(batch, partner, level)
    assert found.lengths.tolist() == [6, 4, 5, 5]
    for i, j in enumerate(partner.tolist()):
        for t in range(6):
            own = batch.x[i, t] if t < batch.lengths[i] else 0.0
            other = batch.x[j, t] if t < batch.lengths[j] else 0.0
            expected = own if level[i] == 0 else (own + level[i] * other) / (1 + level[i])
            assert found.x[i, t].item() == pytest.approx(float(expected), abs=1e-6)
    assert found.x.abs().max() <= 1
    y, mask = union(batch.y[:3], batch.mask[:3], batch.y[1:], batch.mask[1:])
    assert torch.equal(found.mask[:3], mask)
    assert torch.equal(found.y[:3][mask], y[mask])


def test_with_a_level_of_zero_nothing_changes_to_the_bit():
    batch = sounds()
    for found in (add(batch, torch.tensor([1, 0, 3, 2]), torch.zeros(4)), Add(6.0, 0.0)(batch)):
        for before, after in zip(batch, found, strict=True):
            assert before is after or torch.equal(before, after)


def test_levels_are_uniform_in_decibels_and_a_share_of_the_clips_is_mixed(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "musicssl.augment.mixing.add.add", lambda batch, partner, level: seen.append(level)
    )
    torch.manual_seed(0)
    batch = Batch(torch.zeros(4000, 1), torch.zeros(4000, 1), torch.ones(4000, 1) > 0)
    Add(12.0, 0.3)(batch)
    assert (seen[0] > 0).float().mean().item() == pytest.approx(0.3, abs=0.03)
    decibels = 20 * seen[0][seen[0] > 0].log10()
    assert decibels.abs().max() <= 12
    assert decibels.std().item() == pytest.approx(24 / 12**0.5, rel=0.05)


def test_instances_are_not_added():
    batch = Batch(torch.zeros(2, 3, 4), torch.zeros(2, 3), torch.ones(2, 3) > 0)
    with pytest.raises(InputError, match="adds sound, but the encoder gets instances"):
        Add(6.0)(batch)


@pytest.mark.parametrize("setting", [{"max_db": -1.0}, {"max_db": 6.0, "share": 1.5}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=r"mixing\."):
        Add(**setting)


def test_the_sum_of_two_clips_has_no_teacher_output():
    y, mask = cells([(PRESENT,)] * 3)
    batch = Batch(torch.rand(3, 8), y, mask, teacher=torch.rand(3, 2))
    level = torch.tensor([0.0, 0.5, 0.0])
    found = add(batch, torch.tensor([1, 2, 0]), level)
    assert found.teacher_mask.tolist() == [True, False, True]
    known = torch.tensor([False, True, True])
    assert add(
        batch._replace(teacher_mask=known), torch.tensor([1, 2, 0]), level
    ).teacher_mask.tolist() == [*(False, False, True)]
