"""Oracle: counting."""

from itertools import chain

import numpy as np
import pytest
import torch

from musicssl.data.clips import InstanceClips, SoundClips
from musicssl.probing.base import Embeddings
from musicssl.probing.finetuning.labelled_batches import labelled_batches
from tests.support.tiny_sound import RATE, ArraySound

ROWS = np.array([3, 5, 8, 9, 11, 14, 17])
Y = torch.arange(14.0).view(7, 2)
MASK = Y % 3 != 0
LABELS = Embeddings(torch.full((7, 4), torch.nan), Y, MASK)
CLIPS = InstanceClips(np.arange(20, dtype=np.float32)[:, None, None], None)


def epochs(loader, count):
    return [list(loader) for _ in range(count)]


def test_a_clip_comes_with_its_labels_and_all_come_equally_often():
    drawn = []
    loader = labelled_batches(CLIPS, ROWS, LABELS, batch_size=4, seed=0)
    for batch in chain.from_iterable(epochs(loader, 7)):
        rows = batch.x[:, 0, 0].long()
        places = torch.from_numpy(np.searchsorted(ROWS, rows.numpy()))
        assert torch.equal(torch.from_numpy(ROWS)[places], rows)
        assert torch.equal(batch.y, Y[places])
        assert torch.equal(batch.mask, MASK[places])
        drawn += rows.tolist()
    counts = np.bincount(drawn, minlength=20)
    assert (counts[ROWS] == 40).all()  # 7 epochs of 10 batches of 4
    assert counts.sum() == 280


@pytest.mark.parametrize(
    ("clips", "batch_size", "size", "steps"),
    [(7, 4, 4, 10), (7, 16, 7, 10), (1, 16, 2, 10), (33, 3, 3, 11), (31, 3, 3, 11), (30, 3, 3, 10)],
)
def test_an_epoch_is_a_pass_over_the_labelled_clips(clips, batch_size, size, steps):
    x = np.zeros((clips, 1, 1), np.float32)
    labels = Embeddings(*(torch.zeros(clips, 1) for _ in range(3)))
    loader = labelled_batches(InstanceClips(x, None), np.arange(clips), labels, batch_size, seed=0)
    assert len(loader) == steps
    assert [len(batch.x) for batch in loader] == [size] * steps


def test_the_seed_decides_the_order():
    def order(seed):
        loader = labelled_batches(CLIPS, ROWS, LABELS, batch_size=4, seed=seed)
        return [batch.x.flatten().tolist() for epoch in epochs(loader, 2) for batch in epoch]

    assert order(0) == order(0)
    assert order(0) != order(1)
    first, second = order(0)[:10], order(0)[10:]
    assert first != second


def test_sound_is_served_in_crops():
    sound = ArraySound([np.full(RATE * 2, row, np.float32) for row in range(20)])
    ramp = np.arange(RATE * 2, dtype=np.float32) / 4096  # says where a crop begins
    sound.recordings = [recording + ramp for recording in sound.recordings]
    loader = labelled_batches(SoundClips(sound, RATE), ROWS[:1], LABELS, batch_size=16, seed=0)
    starts = {round(4096 * (x[0].item() - 3)) for batch in loader for x in batch.x}
    assert len(starts) > 10
    assert 0 <= min(starts) <= max(starts) <= RATE
