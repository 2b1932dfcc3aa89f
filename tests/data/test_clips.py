import tracemalloc

import numpy as np
import pytest
import torch

from musicssl.data.clips import InstanceClips, SoundClips, clips_of
from musicssl.errors import InputError
from tests.support.tiny import Tiny
from tests.support.tiny_sound import RATE, ArraySound, TinySound

RECORDINGS = [np.arange(1, n + 1, dtype=np.float32) for n in (10, 4, 25)]


def sound(crop=6, grid=1):
    return SoundClips(ArraySound(RECORDINGS), crop, grid)


def test_a_crop_is_a_stretch_of_its_recording_and_zeros_follow_a_short_one():
    piece = sound().crop(np.array([2, 1, 0]), np.array([[0.999], [0.5], [0.0]]))
    assert piece.x.tolist() == [
        [20, 21, 22, 23, 24, 25],
        [1, 2, 3, 4, 0, 0],
        [1, 2, 3, 4, 5, 6],
    ]
    assert piece.lengths.tolist() == [6, 4, 6]
    assert piece.starts.tolist() == [19, 0, 0]


def test_lengths_are_left_out_where_every_crop_is_full():
    assert sound().crop(np.array([0, 2]), np.full((2, 1), 0.2)).lengths is None


def test_crops_start_everywhere_equally_often():
    rng = np.random.default_rng(0)
    rows = np.zeros(6000, np.int64)
    starts = sound(crop=6).crop(rows, rng.random((6000, 1))).starts
    counts = np.bincount(starts, minlength=5)
    assert len(counts) == 5  # 0 to 4 of ten samples
    assert (np.abs(counts - 1200) < 5 * np.sqrt(1200 * 0.8)).all()


def test_crops_start_on_the_grid():
    rng = np.random.default_rng(0)
    starts = sound(crop=10, grid=5).crop(np.full(500, 2), rng.random((500, 1))).starts
    assert set(starts.tolist()) == {0, 5, 10, 15}


def test_whole_clips_are_padded_to_the_longest_of_their_batch():
    piece = sound().whole(np.array([1, 0]))
    assert piece.x.shape == (2, 10)
    assert piece.lengths.tolist() == [4, 10]
    assert piece.x[0].tolist() == [1, 2, 3, 4] + 6 * [0]


def test_batches_of_whole_clips_keep_order_and_bounds(monkeypatch):
    monkeypatch.setattr("musicssl.data.clips._MAX_SAMPLES", 30)
    rows = np.array([1, 0, 1, 2, 1, 1, 1])
    batches = [batch.tolist() for batch in sound().batches(rows, 3)]
    assert [row for batch in batches for row in batch] == rows.tolist()
    for batch in batches:
        longest = max(len(RECORDINGS[row]) for row in batch)
        assert len(batch) == 1 or (len(batch) <= 3 and len(batch) * longest <= 30)
    assert batches == [[1, 0, 1], [2], [1, 1, 1]]


def test_instances_are_served_whole_wherever_the_place():
    corpus = Tiny(variable_lengths=True).load()
    clips, rows = InstanceClips(corpus.x, corpus.lengths), np.array([5, 3, 5])
    piece = clips.crop(rows, np.array([[0.1], [0.5], [0.9]]))
    assert np.array_equal(piece.x.numpy(), corpus.x[rows])
    assert piece.lengths.tolist() == corpus.lengths[rows].tolist()


def test_crops_of_a_clip_follow_each_other_and_are_those_of_single_places():
    rows, places = np.array([2, 1, 0]), np.random.default_rng(0).random((3, 4))
    piece = sound().crop(rows, places)
    alone = [
        sound().crop(rows[i : i + 1], places[i : i + 1, v : v + 1]) for i, v in np.ndindex(3, 4)
    ]
    assert torch.equal(piece.x, torch.cat([one.x for one in alone]))
    assert piece.starts.tolist() == [int(one.starts[0]) for one in alone]
    assert piece.lengths.tolist() == [6] * 4 + [4] * 4 + [6] * 4


def test_adjacent_crops_leave_no_gap_and_begin_everywhere_equally_often():
    clips = SoundClips(ArraySound(RECORDINGS), 6, adjacent=True)
    places = np.random.default_rng(0).random((5000, 3))
    starts = clips.crop(np.full(5000, 2), places).starts.reshape(5000, 3)  # of 25 samples
    assert (np.diff(starts) == 6).all()
    counts = np.bincount(starts[:, 0])
    assert len(counts) == 8  # 18 of 25 samples begin at 0 to 7
    assert (np.abs(counts - 625) < 5 * np.sqrt(625 * 7 / 8)).all()


def test_adjacent_crops_that_do_not_fit_overlap_as_little_as_they_can():
    clips = SoundClips(ArraySound(RECORDINGS), 6, adjacent=True)
    piece = clips.crop(np.array([0, 1]), np.array([[0.0, 0.9, 0.9], [0.9, 0.0, 0.0]]))
    assert piece.starts.tolist() == [0, 2, 4, 0, 0, 0]  # of 10 samples, of 4
    assert piece.lengths.tolist() == [6, 6, 6, 4, 4, 4]


def test_adjacent_crops_start_on_the_grid():
    clips = SoundClips(ArraySound(RECORDINGS), 10, grid=5, adjacent=True)
    starts = clips.crop(np.full(200, 2), np.random.default_rng(0).random((200, 2))).starts
    assert set(map(tuple, starts.reshape(-1, 2).tolist())) == {(0, 10), (5, 15)}


def test_the_grid_of_labels_in_time_is_the_seconds_of_the_corpus():
    clips = clips_of(TinySound().load(), 2.0, on_grid=True)
    assert isinstance(clips, SoundClips)
    assert (clips.crop_samples, clips.grid) == (2 * RATE, RATE)
    assert clips_of(TinySound().load(), 2.0).grid == 1  # other labels leave crops free


def test_without_a_length_a_crop_is_as_long_as_the_longest_recording():
    assert clips_of(TinySound().load(), None).num_instances == 4 * RATE


def test_a_crop_is_not_longer_than_the_longest_recording():
    assert clips_of(TinySound().load(), 1e9).num_instances == 4 * RATE


def test_an_empty_crop_is_refused():
    with pytest.raises(InputError, match=r"data\.crop_seconds must be positive"):
        clips_of(TinySound().load(), 0.0)


def test_only_sound_is_worth_reading_ahead():
    assert not InstanceClips(np.zeros((2, 3, 4), np.float32), None).reads_files
    assert sound().reads_files


def test_a_layer_of_a_larger_array_is_read_without_a_copy_of_all_of_it():
    whole = np.zeros((400, 8, 10, 100), np.float32)  # 12.8 MB, of a layer 1.6 MB
    whole[:, 3] = np.arange(400)[:, None, None]
    clips = InstanceClips(whole[:, 3], None)
    tracemalloc.start()
    try:
        piece = clips.whole(np.array([7, 3]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert piece.x[:, 0, 0].tolist() == [7, 3]
    assert piece.x.is_contiguous()
    assert peak < 100_000
