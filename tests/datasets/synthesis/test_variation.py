"""Oracles: what each setting says, on fonts written by code."""

import numpy as np
import pytest

from musicssl.datasets.synthesis.compose import Part, compose
from musicssl.datasets.synthesis.instruments import CLASSES, INSTRUMENTS
from musicssl.datasets.synthesis.sound_font import open_sound_font
from musicssl.datasets.synthesis.variation import Variation, keys_of, usable_programs
from musicssl.errors import InputError
from tests.support.sound_font_file import KEYS, harmonics, write_sound_font, write_timbres


@pytest.fixture(scope="module")
def font(tmp_path_factory):
    """Kit 0 and all programs."""
    path = tmp_path_factory.mktemp("fonts") / "a.sf2"
    return open_sound_font(write_timbres(path, np.array([[1.0]])))


def varied(font, seeds=40, **settings):
    """Return pairs of a composed part and what becomes of it."""
    pairs = []
    for seed in range(seeds):
        parts = compose(np.random.default_rng([5, seed]), 4.0, 2, 6)
        changed = Variation(**settings)(np.random.default_rng(seed), parts, font)
        pairs += zip(parts, changed, strict=True)
    return pairs


def test_nothing_changes_by_default(font):
    for before, after in varied(font):
        assert after.program == (0 if before.instrument.percussion else before.program)
        assert after.velocities is None
        assert after.cents == 0
        assert np.array_equal(after.keys, before.keys)


@pytest.mark.parametrize("with_font", [True, False])
def test_only_so_many_programs_of_a_class_are_used(font, with_font):
    pairs = varied(font if with_font else None, 200, programs=2)
    for before, after in pairs:
        assert after.program in before.instrument.programs[:2]
    basses = {after.program for before, after in pairs if before.instrument.name == "bass"}
    assert basses == {32, 33}


def test_velocities_and_tuning_fill_their_ranges_and_leave_each_other_as_they_are(font):
    both = [after for _, after in varied(font, velocity=(50, 60), tuning_cents=30.0)]
    played = np.concatenate([part.velocities for part in both])
    assert (played.min(), played.max()) == (50, 60)
    cents = np.array([part.cents for part in both])
    assert -30 <= cents.min() < -20 < 20 < cents.max() <= 30
    tuned = [after for _, after in varied(font, tuning_cents=30.0)]
    assert [part.cents for part in tuned] == cents.tolist()


def test_a_font_that_cannot_play_a_class_is_a_sentence(tmp_path):
    half = {KEYS: 0 + 256 * 80}  # up to key 80, which is not all of a flute
    presets = {(0, program): [(0, half if program == 73 else {})] for program in (0, 73)}
    path = write_sound_font(tmp_path / "piano.sf2", [harmonics([1.0])], presets)
    font = open_sound_font(path)
    assert usable_programs(font, CLASSES.index("piano")) == (0,)
    with pytest.raises(InputError, match=r"piano\.sf2 cannot play the class flute: .* 73 with"):
        usable_programs(font, CLASSES.index("flute"))
    with pytest.raises(InputError, match="the class drums: it has none of the kits"):
        usable_programs(font, CLASSES.index("drums"))


def test_keys_that_a_font_lacks_are_moved_by_octaves(tmp_path):
    low, high = 60, 86  # of a flute
    presets = {(0, 73): [(0, {KEYS: low + 256 * high})]}
    font = open_sound_font(write_sound_font(tmp_path / "a.sf2", [harmonics([1.0])], presets))
    times = np.zeros(3), np.ones(3)
    part = Part(CLASSES.index("flute"), 73, *times, np.array([40, 70, 100]))
    [moved] = Variation()(np.random.default_rng(0), [part], font)
    assert moved.keys.tolist() == [64, 70, 76]


@pytest.mark.parametrize("register", [(0.0, 0.5), (0.5, 1.0), (0.4, 0.4), (1.0, 1.0)])
def test_composed_parts_stay_in_their_register(register):
    """Bounds by hand: a share of the range, an octave at least."""
    for seed in range(100):
        for part in compose(np.random.default_rng(seed), 4.0, 2, 6, register):
            instrument = part.instrument
            if instrument.percussion:
                continue
            width = instrument.high - instrument.low
            low = min(instrument.low + round(register[0] * width), instrument.high - 11)
            high = max(instrument.low + round(register[1] * width), low + 11)
            assert low <= part.keys.min() <= part.keys.max() <= high <= instrument.high


def test_keys_of_all_classes_are_those_that_are_composed():
    composed = [set() for _ in INSTRUMENTS]
    for seed in range(60):
        for part in compose(np.random.default_rng(seed), 4.0, 6, 12):
            composed[part.column] |= set(part.keys.tolist())
    for keys, instrument in zip(composed, INSTRUMENTS, strict=True):
        assert keys <= set(keys_of(instrument))
