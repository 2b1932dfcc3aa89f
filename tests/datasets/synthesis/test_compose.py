from itertools import pairwise

import numpy as np
import pytest

from musicssl.datasets.synthesis.activity import activity
from musicssl.datasets.synthesis.compose import MIN_NOTE_SECONDS, compose
from musicssl.datasets.synthesis.instruments import INSTRUMENTS


def pieces(count, clip_seconds=10.0, min_parts=2, max_parts=6):
    rngs = (np.random.default_rng([7, number]) for number in range(count))
    return [compose(rng, clip_seconds, min_parts, max_parts) for rng in rngs]


@pytest.mark.parametrize("clip_seconds", [2.0, 10.0])
def test_notes_lie_within_the_clip_and_are_neither_too_short_nor_too_long(clip_seconds):
    for parts in pieces(200, clip_seconds):
        for part in parts:
            assert len(part.starts) == len(part.durations) == len(part.keys) > 0
            assert part.starts.min() >= 0
            assert (part.starts + part.durations).max() <= clip_seconds + 1e-9
            assert part.durations.min() >= MIN_NOTE_SECONDS - 1e-9
            assert part.durations.max() <= part.instrument.ring_seconds
            assert part.program in part.instrument.programs


@pytest.mark.parametrize("instance_seconds", [0.05, 0.5, 1.0, 2.0])
def test_every_part_is_active_somewhere_and_nobody_else_is(instance_seconds):
    count = round(10 / instance_seconds)
    for parts in pieces(200):
        played = activity(parts, count, instance_seconds).any(axis=0)
        assert np.flatnonzero(played).tolist() == [part.column for part in parts]


def test_each_part_is_another_class():
    for parts in pieces(100, max_parts=20):
        assert all(left.column < right.column for left, right in pairwise(parts))


def test_number_of_parts_and_classes_are_drawn_evenly():
    drawn = pieces(2000)
    sizes = np.bincount([len(parts) for parts in drawn], minlength=7)
    assert sizes[:2].sum() == 0
    assert within_five_sigma(sizes[2:], 2000, 1 / 5)
    counts = np.bincount([part.column for parts in drawn for part in parts])
    assert len(counts) == len(INSTRUMENTS)
    assert within_five_sigma(counts, 2000, 4 / 20)


def within_five_sigma(counts, trials, probability):
    sigma = np.sqrt(trials * probability * (1 - probability))
    return (np.abs(counts - trials * probability) < 5 * sigma).all()


def test_parts_enter_all_over_the_clip_and_leave_before_long():
    parts = [part for piece in pieces(300) for part in piece]
    entries = np.array([part.starts.min() for part in parts])
    spans = np.array([(part.starts + part.durations).max() for part in parts]) - entries
    assert np.histogram(entries, bins=9, range=(0, 9))[0].min() > 20
    assert spans.max() < 6  # half of the clip, rounded up to beats of 0.86 s or less
    assert np.mean(spans) == pytest.approx(3.0, abs=0.3)  # half way from a tenth to a half of 10 s
