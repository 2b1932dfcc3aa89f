import torch

from musicssl.augment.mixing.mixing import NoMixing, random_partners
from musicssl.batch import Batch


def test_partners_are_a_permutation_within_labelled_and_unlabelled_clips():
    torch.manual_seed(0)
    mask = torch.zeros(9, 3, dtype=torch.bool)
    mask[[0, 3, 4, 8], 1] = True
    batch = Batch(torch.zeros(9, 2, 2), torch.zeros(9, 3), mask)
    drawn = torch.stack([random_partners(batch) for _ in range(500)])
    labelled = mask.any(dim=1)
    assert (drawn.sort(dim=1).values == torch.arange(9)).all()
    assert (labelled[drawn] == labelled).all()
    for clip, count in ((0, 4), (1, 5)):  # each partner of its kind is as likely as another
        shares = drawn[:, clip].bincount(minlength=9) / 500
        torch.testing.assert_close(shares, (labelled == labelled[clip]) / count, atol=0.07, rtol=0)


def test_without_mixing_a_batch_stays_the_same_object():
    batch = Batch(torch.zeros(2, 3, 4), torch.zeros(2, 3), torch.ones(2, 3) > 0)
    assert NoMixing()(batch) is batch
