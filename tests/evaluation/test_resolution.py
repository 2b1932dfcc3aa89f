import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from musicssl.evaluation.localisation import resolution_metrics

N, T, C = 30, 13, 3


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    activity = rng.random((N, T, C)) < 0.15
    scores = np.clip(0.4 * activity + rng.random((N, T, C)), 0, 1.4) / 1.4
    lengths = rng.integers(6, T + 1, N)
    return scores, activity, np.arange(T) < lengths[:, None]


def by_hand(scores, activity, valid, size, c):
    """A slow loop over the stretches of every clip."""
    best, sounds = [], []
    for clip in range(N):
        for start in range(0, T, size):
            stretch = [t for t in range(start, min(start + size, T)) if valid[clip, t]]
            if stretch:
                best.append(max(scores[clip, t, c] for t in stretch))
                sounds.append(any(activity[clip, t, c] for t in stretch))
    return roc_auc_score(sounds, best)


def test_each_resolution_is_what_a_slow_loop_says(clips):
    scores, activity, valid = clips
    metrics = resolution_metrics(scores, activity, 1.0, valid)
    assert list(metrics) == ["1 s", "5 s", "10 s", "clip"]
    for name, size in {"1 s": 1, "5 s": 5, "10 s": 10, "clip": T}.items():
        for c in range(C):
            assert metrics[name][c] == pytest.approx(by_hand(*clips, size, c), abs=1e-12)


def test_what_is_padded_does_not_count(clips):
    scores, activity, valid = clips
    expected = resolution_metrics(scores, activity, 1.0, valid)
    noise = np.where(valid[..., None], scores, 0.99)
    loud = activity | ~valid[..., None]
    for name, values in resolution_metrics(noise, loud, 1.0, valid).items():
        np.testing.assert_array_equal(values, expected[name])


def test_what_nobody_asked_about_does_not_count(clips):
    """As if the clips in which a class was not observed were not there."""
    scores, activity, valid = clips
    mask = np.random.default_rng(1).random((N, C)) < 0.6
    found = resolution_metrics(scores, activity, 1.0, valid, mask)
    for c in range(C):
        seen = mask[:, c]
        alone = resolution_metrics(scores[seen], activity[seen], 1.0, valid[seen])
        for name, values in alone.items():
            assert found[name][c] == pytest.approx(values[c], abs=1e-12)


def test_instances_of_half_a_second_are_counted_in_seconds(clips):
    scores, activity, _ = clips
    assert list(resolution_metrics(scores, activity, 0.5)) == ["1 s", "5 s", "clip"]


def test_resolutions_that_instances_do_not_divide_are_left_out(clips):
    scores, activity, _ = clips
    assert list(resolution_metrics(scores, activity, 0.96)) == ["clip"]


def test_a_class_that_always_or_never_sounds_has_no_area(clips):
    scores, activity, _ = clips
    activity = activity.copy()
    activity[..., 0], activity[..., 1] = True, False
    for values in resolution_metrics(scores, activity, 1.0).values():
        assert np.isnan(values).tolist() == [True, True, False]
