import pytest

from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.datasets.synthband import Synthband
from musicssl.datasets.synthband_notes import SynthbandNotes
from musicssl.errors import InputError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_clips": 9}, "num_clips"),
        ({"num_clips": 1e4}, "num_clips"),
        ({"seed": -1}, "seed"),
        ({"min_parts": 0}, "min_parts"),
        ({"min_parts": 7}, "max_parts"),
        ({"max_parts": 21}, "max_parts"),
        ({"level_range_db": -3.0}, "level_range_db"),
        ({"level_range_db": float("nan")}, "level_range_db"),
        ({"noise_db": float("-inf")}, "noise_db"),
        ({"effects": 1.1}, "effects"),
        ({"num_workers": 0}, "num_workers"),
        ({"sound_fonts": []}, "sound_fonts"),
        ({"programs": 0}, "programs"),
        ({"velocity": (0, 100)}, "velocity"),
        ({"velocity": (50.5, 100)}, "velocity"),
        ({"velocity": (100,)}, "velocity"),
        ({"register": (0.5, 0.2)}, "register"),
        ({"register": (0.0, 1.5)}, "register"),
        ({"tuning_cents": -1.0}, "tuning_cents"),
        ({"clip_seconds": 1.0}, "clip_seconds"),
        ({"clip_seconds": 4.5}, "clip_seconds"),
        ({"features": LogMel(sample_rate=8_000)}, "sample_rate"),
    ],
)
def test_settings_out_of_range_are_named(change, message):
    with pytest.raises(InputError, match=rf"synthband: .*{message} must be"):
        Synthband(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"num_clips": 10},
        {"min_parts": 20, "max_parts": 20},
        {"level_range_db": 0.0},
        {"noise_db": None},
        {"effects": 1.0},
        {"num_workers": -1},
        {"velocity": [1, 127]},
        {"register": [0, 1]},
        {"tuning_cents": 1200},
        {"clip_seconds": 2.0},
    ],
)
def test_the_ends_of_each_range_are_settings(change):
    band = Synthband(**change)
    for name, value in change.items():
        found = getattr(band, name)
        assert found == (tuple(value) if isinstance(value, list) else value)


def test_the_duration_of_a_clip_follows_the_instances():
    halves = LogMel(instance_seconds=0.5)
    overlapping = LogMel(instance_hop_seconds=0.5)
    assert Synthband(clip_seconds=4.5, features=halves).clip_seconds == 4.5
    assert Synthband(clip_seconds=4.5, features=overlapping).clip_seconds == 4.5
    assert SynthbandNotes(clip_seconds=0.3).clip_seconds == 0.3
    with pytest.raises(InputError, match=r"multiple of features\.instance_seconds, got 4.5"):
        Synthband(clip_seconds=4.5, features=Waveform())
    with pytest.raises(InputError, match=r"clip_seconds must be at least 0\.25 s, got 0.2"):
        SynthbandNotes(clip_seconds=0.2)


def test_a_target_of_single_notes_is_refused_with_the_corpus_that_has_it():
    with pytest.raises(InputError, match="target must be instruments or attributes, got genre"):
        Synthband(target="genre")
    with pytest.raises(InputError, match="single notes; choose dataset=synthband_notes"):
        Synthband(target="family")  # as method=pitch_timbre sets it
