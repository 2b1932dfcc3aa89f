import dataclasses

import numpy as np
import pytest
import torch
from lightning_fabric.utilities.apply_func import move_data_to_device

from musicssl.data.batches import StepLoader, Stream
from musicssl.data.label_batches import LabelRows, plan_labels

TRAIN = 100 + 2 * np.arange(60)  # no clip's number is its place
KNOWN = np.random.default_rng(0).random((60, 4)) < [0.1, 0.3, 0.5, 0.9]


def plan(known=KNOWN, others=None, b_s=0.25, batch_size=8, **settings):
    return plan_labels(
        known,
        TRAIN,
        others,
        **({"seed": 3, "num_labelled": round(b_s * batch_size)} | settings),
        batch_size=batch_size,
    )


def drawn(of, epochs=1):
    """All rows of some epochs, (M, E B_l) and (M, E B_u), in order."""
    steps = [of.rows(epoch, step) for epoch in range(epochs) for step in range(of.steps_per_epoch)]
    return [torch.cat(parts, dim=1).numpy() for parts in zip(*steps, strict=True)]


def sets(known=KNOWN):
    """The slow way: D_l and D_u of each model, clip by clip."""
    labelled = [{c for c, row in zip(TRAIN, known, strict=True) if row[m]} for m in range(4)]
    return labelled, [set(TRAIN) - those for those in labelled]


def test_each_model_draws_from_its_labelled_clips_and_from_their_complement():
    labelled, unlabelled = drawn(plan(), epochs=5)
    expected_labelled, expected_unlabelled = sets()
    for model in range(4):
        assert set(labelled[model]) == expected_labelled[model]
        assert set(unlabelled[model]) == expected_unlabelled[model]


def test_a_step_has_the_batches_of_all_models():
    labelled, unlabelled = plan(b_s=0.25, batch_size=8).rows(0, 0)
    assert (labelled.shape, unlabelled.shape) == ((4, 2), (4, 6))
    assert labelled.dtype == unlabelled.dtype == torch.int64


def test_each_pass_draws_every_clip_once_before_any_again():
    labelled, unlabelled = drawn(plan(), epochs=6)
    for models, pools in zip((labelled, unlabelled), sets(), strict=True):
        for clips, pool in zip(models, pools, strict=True):
            passes = len(clips) // len(pool)
            assert passes >= 2
            for one in clips[: passes * len(pool)].reshape(passes, -1):
                assert sorted(one) == sorted(pool)


def test_the_order_of_a_model_is_its_own_stream_without_a_break_between_epochs():
    of = plan(seed=7)
    streams = zip(drawn(of, epochs=3), sets(), (0, 1), strict=True)
    for models, pools, kind in streams:
        for model, clips in enumerate(models):
            stream = Stream(np.array(sorted(pools[model])), (7, kind, model))
            assert np.array_equal(clips, stream.draw(0, len(clips)))


def test_models_with_the_same_clips_see_them_in_different_orders():
    known = np.repeat(KNOWN[:, 2:3], 4, axis=1)
    for models in drawn(plan(known)):
        assert len(np.unique(models, axis=0)) == 4


def test_another_seed_is_another_order_of_both_streams():
    for some, others in zip(drawn(plan()), drawn(plan(seed=4)), strict=True):
        assert (some != others).any(axis=1).all()


def test_what_is_known_of_other_labels_does_not_matter():
    rng = np.random.default_rng(1)
    for model in range(1, 4):  # the first has most unlabelled clips: its steps are the epoch's
        other = rng.random((60, 4)) < 0.6
        other[:, [0, model]] = KNOWN[:, [0, model]]
        mine, theirs = plan(), plan(other)
        assert mine.steps_per_epoch == theirs.steps_per_epoch
        for a, b in zip(drawn(mine, epochs=2), drawn(theirs, epochs=2), strict=True):
            assert np.array_equal(a[[0, model]], b[[0, model]])
            assert not np.array_equal(a, b)


@pytest.mark.parametrize("world_size", [2, 3])
def test_the_ranks_of_a_step_share_one_batch_of_each_model(world_size):
    single = plan(batch_size=8 * world_size, b_s=0.25)
    ranks = [plan(batch_size=8, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert {rank.steps_per_epoch for rank in ranks} == {single.steps_per_epoch}
    for epoch, step in [(0, 0), (0, single.steps_per_epoch - 1), (3, 1)]:
        parts = zip(*(rank.rows(epoch, step) for rank in ranks), strict=True)
        for whole, shares in zip(single.rows(epoch, step), parts, strict=True):
            assert torch.equal(whole, torch.cat(shares, dim=1))


@pytest.mark.parametrize(
    ("b_s", "batch_size", "world_size", "steps"),
    [
        (0.25, 8, 1, 10),  # 55 unlabelled clips, 6 a step
        (0.25, 8, 3, 4),
        (0.5, 110, 1, 1),  # exactly one batch
        (0.5, 108, 1, 2),
        (1.0, 8, 1, 7),  # 54 labelled clips, 8 a step
        (1.0, 8, 2, 4),
    ],
)
def test_an_epoch_is_one_pass_of_the_model_with_most_unlabelled_clips(
    b_s, batch_size, world_size, steps
):
    known = np.arange(60)[:, None] < [5, 18, 30, 54]
    of = plan(known, b_s=b_s, batch_size=batch_size, world_size=world_size)
    assert of.steps_per_epoch == steps
    assert of.rows(0, steps - 1).labelled.shape == (4, of.num_labelled)


def test_without_unlabelled_batches_there_are_none():
    labelled, unlabelled = plan(b_s=1.0).rows(0, 0)
    assert (labelled.shape, unlabelled.shape) == ((4, 8), (4, 0))


def test_rows_are_a_function_of_their_place():
    of = plan()
    places = [(epoch, step) for epoch in range(3) for step in range(of.steps_per_epoch)]
    forwards = [of.rows(*place) for place in places]
    backwards = [of.rows(*place) for place in reversed(places)]
    for a, b in zip(forwards, reversed(backwards), strict=True):
        assert torch.equal(a.labelled, b.labelled)
        assert torch.equal(a.unlabelled, b.unlabelled)


def test_the_counts_are_those_of_the_labels():
    counts = plan().counts
    assert counts.labelled.tolist() == KNOWN.sum(axis=0).tolist()
    assert counts.unlabelled.tolist() == (~KNOWN).sum(axis=0).tolist()
    assert counts.labelled.dtype == counts.unlabelled.dtype == torch.int64


def test_a_label_that_is_known_of_all_clips_has_all_of_them_as_unlabelled_ones():
    known = KNOWN.copy()
    known[:, 1] = True
    of = plan(known)
    labelled, unlabelled = drawn(of, epochs=8)
    assert set(labelled[1]) == set(unlabelled[1]) == set(TRAIN)
    assert (of.counts.labelled[1], of.counts.unlabelled[1]) == (60, 60)
    assert of.steps_per_epoch == 10  # 60 / 6


@pytest.mark.parametrize("others", [None, np.arange(1000, 1030)])
def test_a_label_that_is_known_of_no_clip_draws_unlabelled_ones(others):
    known = KNOWN.copy()
    known[:, 2] = False
    of = plan(known, others)
    labelled, unlabelled = drawn(of, epochs=8)
    expected = set(TRAIN if others is None else others)
    assert set(labelled[2]) == set(unlabelled[2]) == expected
    assert (of.counts.labelled[2], of.counts.unlabelled[2]) == (0, len(expected))


def test_a_second_corpus_has_the_unlabelled_clips_of_every_label():
    others = np.arange(1000, 1030)
    of = plan(others=others)
    labelled, unlabelled = drawn(of, epochs=8)
    assert of.steps_per_epoch == 5  # 30 / 6
    assert of.counts.unlabelled.tolist() == [30] * 4
    for model in range(4):
        assert set(labelled[model]) == sets()[0][model]
        for one in unlabelled[model].reshape(8, 30):
            assert sorted(one) == others.tolist()
    assert len(np.unique(unlabelled, axis=0)) == 4


def test_rows_move_to_a_device_as_batches_do():
    rows = plan().rows(0, 0)
    for moved in (rows.to(torch.device("meta")), move_data_to_device(rows, torch.device("meta"))):
        assert isinstance(moved, LabelRows)
        assert [part.device.type for part in moved] == ["meta", "meta"]
        assert [part.shape for part in moved] == [part.shape for part in rows]


def test_a_loader_of_rows_resumed_within_an_epoch_yields_those_that_are_left():
    def loader(epoch):
        of = plan()
        return StepLoader(of.steps_per_epoch, of.rows, lambda: epoch)

    expected = [tuple(map(torch.Tensor.tolist, rows)) for rows in loader(2)]
    stopped, resumed = loader(2), loader(2)
    iterator = iter(stopped)
    found = [next(iterator) for _ in range(4)]
    resumed.load_state_dict(stopped.state_dict())
    found += list(resumed)
    assert [tuple(map(torch.Tensor.tolist, rows)) for rows in found] == expected
    assert len(expected) == len(loader(2)) == plan().steps_per_epoch


def test_plans_of_different_ranks_are_not_taken_for_each_other():
    of = plan(world_size=2)
    other = dataclasses.replace(of, rank=1)
    assert not torch.equal(of.rows(0, 0).unlabelled, other.rows(0, 0).unlabelled)
