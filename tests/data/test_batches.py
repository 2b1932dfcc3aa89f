import numpy as np
import pytest

from musicssl.data.batches import BatchLoader, BatchPlan, Stream, labelled_share
from musicssl.errors import InputError


def plan(b_s=0.25, batch_size=8, pool=20, clips=100, **changes):
    count = labelled_share(b_s, batch_size)
    settings = {"steps_per_epoch": 13, "rank": 0, "world_size": 1} | changes
    return BatchPlan(
        labelled=Stream(np.arange(pool), (0, 0)),
        unlabelled=Stream(np.arange(clips), (0, 1)),
        batch_size=batch_size,
        num_labelled=count,
        **settings,
    )


@pytest.mark.parametrize("pool", [1, 7, 20, 300])
def test_a_stream_draws_every_clip_once_before_any_again(pool):
    clips = np.arange(1000, 1000 + pool)
    drawn = Stream(clips, (0,)).draw(0, 3 * pool)
    for turn in drawn.reshape(3, pool):
        assert sorted(turn) == sorted(clips)
    if pool > 2:
        assert not np.array_equal(drawn[:pool], drawn[pool : 2 * pool])


def test_a_stream_is_the_same_however_it_is_cut():
    stream = Stream(np.arange(17), (3,))
    whole = stream.draw(0, 100)
    pieces = [stream.draw(start, 7) for start in range(0, 98, 7)]
    assert np.array_equal(whole[:98], np.concatenate(pieces))


@pytest.mark.parametrize(("b_s", "count"), [(0, 0), (0.05, 5), (0.5, 48), (1, 96)])
def test_batches_hold_exactly_the_rounded_share(b_s, count):
    assert labelled_share(b_s, 96) == count  # int(96 * 0.05) would be 4
    batches = plan(b_s, batch_size=96, pool=20, clips=1000)
    labelled, unlabelled = np.split(batches.clips(0, 0), [count])
    assert len(labelled) + len(unlabelled) == 96
    assert set(labelled) <= set(range(20))


@pytest.mark.parametrize(
    ("b_s", "message"),
    [(0.001, "rounds to no labelled clip"), (25, "did you mean 0.25"), (-1, "-1")],
)
def test_a_share_that_cannot_be_drawn_is_refused(b_s, message):
    with pytest.raises(InputError, match=message):
        labelled_share(b_s, 64)


def test_the_ranks_of_a_step_share_one_global_batch():
    """Two ranks of 8 draw what one rank of 16 draws: disjoint shards, same composition."""
    single = plan(batch_size=16, steps_per_epoch=6)
    ranks = [plan(batch_size=8, steps_per_epoch=6, rank=r, world_size=2) for r in (0, 1)]
    for epoch, step in [(0, 0), (0, 5), (3, 2)]:
        parts = [rank.clips(epoch, step) for rank in ranks]
        labelled = np.concatenate([part[:2] for part in parts])
        unlabelled = np.concatenate([part[2:] for part in parts])
        expected = single.clips(epoch, step)
        assert np.array_equal(labelled, expected[:4])
        assert np.array_equal(unlabelled, expected[4:])
        assert len(set(unlabelled)) == 12


def test_every_crop_has_a_place_of_its_own_whatever_the_number_of_ranks():
    whole = plan(num_crops=3)
    numbers = [whole.fractions(epoch, step) for epoch in range(2) for step in range(13)]
    assert {part.shape for part in numbers} == {(8, 3)}
    assert len(np.unique(np.concatenate(numbers))) == 26 * 8 * 3
    shared = [
        plan(batch_size=4, num_crops=3, rank=rank, world_size=2).fractions(1, 4) for rank in (0, 1)
    ]
    assert np.array_equal(np.unique(shared), np.unique(whole.fractions(1, 4)))


def test_batches_are_a_function_of_their_place():
    batches = plan()
    forwards = [batches.clips(epoch, step) for epoch in range(3) for step in range(13)]
    backwards = [batches.clips(epoch, step) for epoch in (2, 1, 0) for step in range(12, -1, -1)]
    assert all(map(np.array_equal, forwards, reversed(backwards)))
    assert not np.array_equal(forwards[0], forwards[13])  # another epoch, another order


def test_a_loader_resumed_within_an_epoch_yields_the_batches_that_are_left():
    epochs = iter([0, 1, 2])
    whole = BatchLoader(plan(), lambda clips, _: clips, lambda: next(epochs))
    expected = [list(map(tuple, whole)) for _ in range(3)]

    stopped = BatchLoader(plan(), lambda clips, _: clips, lambda: 1)
    iterator = iter(stopped)
    drawn = [tuple(next(iterator)) for _ in range(5)]
    resumed = BatchLoader(plan(), lambda clips, _: clips, lambda: 1)
    resumed.load_state_dict(stopped.state_dict())
    assert drawn + list(map(tuple, resumed)) == expected[1]


def test_a_loader_resumed_at_the_end_of_an_epoch_starts_the_next_whole():
    stopped = BatchLoader(plan(), lambda clips, _: clips, lambda: 1)
    assert len(list(stopped)) == 13
    resumed = BatchLoader(plan(), lambda clips, _: clips, lambda: 2)
    resumed.load_state_dict(stopped.state_dict())
    assert len(list(resumed)) == 13


def test_a_loader_read_twice_in_one_epoch_is_whole_both_times():
    loader = BatchLoader(plan(), lambda clips, _: clips, lambda: 0)
    first, second = (list(map(tuple, loader)) for _ in range(2))
    assert first == second
    assert len(first) == 13
