"""The data module on sound and in crops: where they begin, what they hold, how many there are."""

import numpy as np
import pytest
import torch

from musicssl.data.needs import Needs
from tests.support.serving import datamodule, rank_of
from tests.support.tiny import Tiny
from tests.support.tiny_sound import RATE, TinySound


def test_crops_of_sound_are_a_function_of_seed_epoch_and_step():
    def crops(epochs, **settings):
        module = datamodule(TinySound(), crop_seconds=1.0, **settings)
        loader = module.train_dataloader()
        return [batch.x for _ in range(epochs) for batch in loader]

    first, again = crops(2), crops(2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert first[0].shape == (16, RATE)
    assert not torch.equal(first[0], crops(1, seed=1)[0])


def test_each_crop_is_a_second_of_its_recording():
    module = datamodule(TinySound(), crop_seconds=1.0)
    recordings = module.corpus.x.recordings
    for batch in module.train_dataloader():
        for row, x in zip(batch.rows.tolist(), batch.x, strict=True):
            stretches = np.lib.stride_tricks.sliding_window_view(recordings[row], RATE)
            assert (stretches == x.numpy()).all(axis=1).sum() == 1


def test_whole_recordings_are_validated_and_tested():
    module = datamodule(TinySound(variable_lengths=True), crop_seconds=1.0)
    rows = module.rows("test")
    batch = next(iter(module.batches("test")))
    assert batch.rows.tolist() == rows.tolist()
    assert batch.lengths.tolist() == module.corpus.x.lengths[rows].tolist()
    for row, x, length in zip(rows, batch.x, batch.lengths, strict=True):
        assert np.array_equal(x[:length].numpy(), module.corpus.x.recordings[row])
        assert not x[length:].any()


def test_the_sizes_of_sound_are_those_of_a_crop():
    module = datamodule(TinySound(), crop_seconds=1.5)
    assert module.sizes["num_features"] == 1
    assert module.sizes["num_instances"] == 1.5 * RATE


@pytest.mark.parametrize("dataset", [Tiny(variable_lengths=True), TinySound(variable_lengths=True)])
def test_strong_labels_are_those_of_what_the_batch_holds(dataset):
    """The slow way: what of the activity belongs to the place where the crop is found."""
    module = datamodule(dataset, crop_seconds=2.0, needs=Needs(activity=True))
    corpus = module.corpus
    for batch in module.train_dataloader():
        for row, x, activity in zip(batch.rows.tolist(), batch.x, batch.activity, strict=True):
            start = 0
            if isinstance(dataset, TinySound):
                recording = corpus.x.recordings[row]
                start = next(
                    s
                    for s in range(len(recording) // RATE)
                    if np.array_equal(recording[s * RATE :][: 2 * RATE], x.numpy())
                )
            expected = corpus.activity[row, start:][: len(activity)]
            assert np.array_equal(activity[: len(expected)].numpy(), expected)
            assert not activity[len(expected) :].any()
    for batch in module.batches("val"):
        assert np.array_equal(batch.activity.numpy(), corpus.activity[batch.rows])


def test_without_strong_labels_a_batch_has_none():
    assert next(iter(datamodule().train_dataloader())).activity is None


def test_crops_are_the_same_on_any_number_of_ranks():
    def crops(rank, world_size, batch_size):
        module = datamodule(TinySound(), crop_seconds=1.0, batch_size=batch_size)
        module.trainer = rank_of(
            global_rank=rank, world_size=world_size, current_epoch=0, datamodule=module
        )
        return [batch.x for batch in module.train_dataloader()]

    alone = crops(0, 1, 14)
    shared = zip(crops(0, 2, 7), crops(1, 2, 7), strict=True)
    assert len(alone) == 3
    for whole, parts in zip(alone, shared, strict=True):
        assert torch.equal(whole, torch.cat(parts))


def test_a_clip_is_cropped_at_another_place_each_time():
    module = datamodule(TinySound(num_clips=20), crop_seconds=0.5)
    recordings = module.corpus.x.recordings
    loader, starts = module.train_dataloader(), {}
    for batch in (batch for _ in range(6) for batch in loader):
        for row, x in zip(batch.rows.tolist(), batch.x.numpy(), strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(recordings[row], len(x))
            start = int(np.abs(windows - x).max(axis=1).argmin())
            starts.setdefault(row, set()).add(start)
    assert min(len(places) for places in starts.values()) > 1


def test_the_crops_of_a_clip_follow_each_other_with_its_labels():
    module = datamodule(TinySound(), b_s=0.5, batch_size=8, crop_seconds=1.0, num_crops=3)
    corpus = module.corpus
    for batch in module.train_dataloader():
        clips = batch.rows.view(8, 3)
        assert (clips == clips[:, :1]).all()
        assert batch.mask.any(dim=1).tolist() == [True] * 12 + [False] * 12
        assert np.array_equal(batch.y, corpus.y[batch.rows])
        for row, crop in zip(batch.rows.tolist(), batch.x.numpy(), strict=True):
            stretches = np.lib.stride_tricks.sliding_window_view(corpus.x.recordings[row], RATE)
            assert (stretches == crop).all(axis=1).any()


def test_crops_of_instances_are_copies():
    module = datamodule(batch_size=7, num_crops=2)
    batch = next(iter(module.train_dataloader()))
    assert len(batch.x) == 14
    assert torch.equal(batch.x[::2], batch.x[1::2])
