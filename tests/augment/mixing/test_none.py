import torch

from musicssl.augment.mixing.none import NoMixing
from musicssl.batch import Batch


def test_a_batch_stays_the_same_object():
    batch = Batch(torch.zeros(2, 3, 4), torch.zeros(2, 3), torch.ones(2, 3) > 0)
    assert NoMixing()(batch) is batch
