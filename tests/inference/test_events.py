"""Events by the slow and obvious way."""

import numpy as np
import pytest
from scipy.ndimage import median_filter

from musicssl.inference.events import find_events, median_filtered, stretches
from musicssl.inference.prediction import mean_of
from tests.support.predicted import prediction


@pytest.mark.parametrize("width", [0, 1, 2, 3, 4, 7, 50])
def test_the_filter_is_the_median_of_scipy(width):
    rng = np.random.default_rng(width)
    for length in (0, 1, 5, 40):
        active = rng.random(length) < 0.5
        expected = active
        if length and width > 1:
            size = 2 * (width // 2) + 1
            expected = median_filter(active.astype(int), size, mode="nearest") == 1
        assert (median_filtered(active, width) == expected).all()


def test_stretches_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    for _ in range(20):
        active = rng.random(15) < 0.5
        again = np.zeros(15, bool)
        for first, stop in stretches(active):
            assert active[first:stop].all()
            assert first == 0 or not active[first - 1]
            assert stop == 15 or not active[stop]
            again[first:stop] = True
        assert (again == active).all()


def test_events_begin_and_end_with_instances():
    timeline = [[0.9, 0.1], [0.8, 0.1], [0.2, 0.6], [0.7, 0.1]]
    found = find_events(prediction(timeline), np.array([0.5, 0.55]))
    assert [(e.start, e.end, e.name) for e in found] == [
        (0.0, 1.0, "a"),
        (1.0, 1.5, "b"),
        (1.5, 2.0, "a"),
    ]
    assert found[0].score == pytest.approx(0.9)
    [only] = find_events(prediction(timeline), 0.5, median_seconds=1.5)
    assert (only.start, only.end, only.name) == (0.0, 2.0, "a")  # the gap is filled
    each = find_events(prediction(timeline), 0.5, np.array([0.0, 1.5]))
    assert [e.name for e in each] == ["a", "a"]  # the short event of b is gone


def test_one_class_at_a_time_in_a_multi_class_task():
    found = find_events(prediction([[0.4, 0.3], [0.1, 0.2]], task="multi_class"), 0.5)
    assert [(e.start, e.name) for e in found] == [(0.0, "a"), (0.5, "b")]


def test_a_mean_has_a_timeline_if_all_divide_time_alike():
    one, two = prediction([[0.2, 0.4]]), prediction([[0.6, 0.4]])
    both = mean_of([one, two])
    assert both.scores == pytest.approx([0.4, 0.4])
    assert both.timeline == pytest.approx(np.array([[0.4, 0.4]]))
    other = mean_of([one, prediction([[0.2, 0.4]], step=0.7)])
    assert other.scores == pytest.approx([0.2, 0.4])
    assert len(other.timeline) == len(other.times) == 0


def test_decisions_about_a_recording():
    found = prediction([[0.2, 0.7, 0.6]])
    assert found.top(2) == ["b", "c"]
    assert found.present(0.5) == ["b", "c"]
    assert found.present(np.array([0.1, 0.8, 0.6])) == ["a", "c"]
    assert prediction([[0.2, 0.7]], task="multi_class").present(0.9) == ["b"]
