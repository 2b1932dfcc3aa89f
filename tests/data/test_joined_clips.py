import numpy as np
import torch

from musicssl.data.clips import InstanceClips, SoundClips
from musicssl.data.joined_clips import JoinedClips
from tests.support.tiny_sound import ArraySound

RECORDINGS = [np.arange(1, n + 1, dtype=np.float32) for n in (10, 4, 25)]
CROP = 6  # samples


def sound(recordings=RECORDINGS):
    return SoundClips(ArraySound(recordings), CROP)


def test_joined_clips_are_those_of_each_corpus_in_the_order_asked_for():
    other = sound([-recording for recording in RECORDINGS])
    joined = JoinedClips(sound(), other, 3)
    rows, places = np.array([3, 0, 4, 2, 5]), np.linspace(0, 0.9, 5)[:, None]
    piece = joined.crop(rows, places)
    for row, place, x, length in zip(rows, places, piece.x, piece.lengths, strict=True):
        source, own = (sound(), row) if row < 3 else (other, row - 3)
        alone = source.crop(np.array([own]), place[None])
        assert torch.equal(x, alone.x[0])
        assert length == (CROP if alone.lengths is None else alone.lengths[0])


def test_joined_clips_keep_the_crops_of_a_clip_together():
    joined = JoinedClips(sound(), sound(RECORDINGS[::-1]), 3)
    rows, places = np.array([3, 0, 5]), np.random.default_rng(0).random((3, 2))
    piece = joined.crop(rows, places)
    parts = [joined.crop(rows[i : i + 1], places[i : i + 1]) for i in range(3)]
    assert torch.equal(piece.x, torch.cat([part.x for part in parts]))


def test_whole_clips_of_both_corpora_are_those_of_each_in_the_order_asked_for():
    joined = JoinedClips(sound(), sound([-one for one in RECORDINGS]), 3)
    piece = joined.whole(np.array([5, 1, 0, 4]))
    assert piece.lengths.tolist() == [25, 4, 10, 4]
    for x, expected in zip(
        piece.x, (-RECORDINGS[2], *RECORDINGS[1::-1], -RECORDINGS[1]), strict=True
    ):
        assert np.array_equal(x[: len(expected)], expected)
        assert not x[len(expected) :].any()
    batches = [batch.tolist() for batch in joined.batches(np.array([4, 0, 5, 1, 2]), 2)]
    assert batches == [[0, 1], [2], [4, 5]]


def test_joined_instances_of_different_counts_are_padded():
    short, long = np.ones((2, 3, 4), np.float32), np.ones((2, 5, 4), np.float32)
    joined = JoinedClips(InstanceClips(short, None), InstanceClips(long, None), 2)
    piece = joined.crop(np.array([2, 0]), np.zeros((2, 1)))
    assert piece.lengths.tolist() == [5, 3]
    assert piece.x.sum((1, 2)).tolist() == [20, 12]
    assert joined.num_instances == 5


def test_clips_are_read_ahead_if_those_of_a_corpus_are():
    instances = InstanceClips(np.zeros((3, 3, 4), np.float32), None)
    assert not JoinedClips(instances, instances, 3).reads_files
    assert JoinedClips(sound(), sound(), 3).reads_files
