"""Oracle: files written by code, and the text of the specification for what they say."""

import random

import numpy as np
import pytest

from musicssl.datasets.synthesis.render import default_sound_font
from musicssl.datasets.synthesis.sound_font import DRUM_BANK, open_sound_font
from musicssl.errors import InputError
from tests.support.sound_font_file import (
    KEYS,
    LOOPS,
    VELOCITIES,
    harmonics,
    write_sound_font,
    write_timbres,
)

WAVES = [harmonics([1.0]), harmonics([0.0, 1.0])]


def test_zones_are_chosen_by_key_and_velocity(tmp_path):
    zones = [
        (0, {KEYS: 40 + 256 * 60, VELOCITIES: 256 * 63, LOOPS: 1}),
        (1, {KEYS: 40 + 256 * 60, VELOCITIES: 64 + 256 * 127}),
        (1, {KEYS: 61 + 256 * 127}),
    ]
    font = open_sound_font(write_sound_font(tmp_path / "a.sf2", WAVES, {(0, 5): zones}))
    [soft] = font.zones(5, False, 60, 63)
    [loud] = font.zones(5, False, 40, 64)
    [high] = font.zones(5, False, 61, 1)
    np.testing.assert_array_equal(font.samples(soft), WAVES[0] / np.float32(32768))
    np.testing.assert_array_equal(font.samples(loud), font.samples(high))
    assert (soft.loop is None, loud.loop is None) == (False, True)
    assert not font.zones(5, False, 39, 63)
    assert not font.zones(5, True, 60, 63)
    assert not font.zones(6, False, 60, 63)


def test_generators_are_those_of_the_specification(tmp_path):
    """Timecents: 1200 log2 of seconds; tuning in semitones and cents; sustain in 0.1 dB."""
    generators = {34: -1200, 35: 0, 36: 1200, 37: 60, 38: -2400, 51: 12, 52: -50, 56: 50, 58: 57}
    path = write_sound_font(tmp_path / "a.sf2", WAVES, {(0, 0): [(0, generators)]})
    [zone] = open_sound_font(path).zones(0, False, 60, 100)
    assert zone.envelope == pytest.approx((0.5, 1.0, 2.0, 6.0, 0.25))
    assert zone.semitones(57) == pytest.approx(11.5)
    assert zone.semitones(67) == pytest.approx(11.5 + 10 * 0.5)


def test_a_fixed_key_sounds_at_its_pitch_whatever_is_played(tmp_path):
    path = write_sound_font(tmp_path / "a.sf2", WAVES, {(0, 0): [(0, {46: 71})]})
    [zone] = open_sound_font(path).zones(0, False, 60, 100)
    assert zone.semitones(30) == zone.semitones(90) == pytest.approx(2.0)


def test_the_default_font_has_all_of_general_midi():
    font = open_sound_font(default_sound_font())
    assert all((0, program) in font.presets for program in range(128))
    assert (DRUM_BANK, 0) in font.presets


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match=r"there is no SoundFont .*a\.sf2; name files"):
        open_sound_font(tmp_path / "a.sf2")
    with pytest.raises(InputError, match="is no file"):
        open_sound_font(tmp_path)


def test_files_that_are_no_sound_fonts_are_a_sentence(tmp_path):
    whole = write_timbres(tmp_path / "whole.sf2", np.ones((2, 1))).read_bytes()
    wrong = {
        "empty": b"",
        "text": b"hello" * 9,
        "wave": b"RIFF" + whole[4:8] + b"WAVE" + whole[12:],
        "half": whole[: len(whole) // 2],
        "header": whole[:30],
        "no_shdr": whole.replace(b"shdr", b"xhdr"),
        "size": whole.replace(b"pgen", b"pgen\x07"),
        "version": whole.replace(b"ifil\x04\0\0\0\2", b"ifil\x04\0\0\0\4"),
    }
    for name, content in wrong.items():
        path = tmp_path / f"{name}.sf2"
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"{name}.sf2 is no SoundFont that can be played"):
            open_sound_font(path)


def test_a_damaged_file_is_refused_or_read(tmp_path):
    """Bytes after the samples are tables; whatever they say, nothing but InputError is raised."""
    whole = write_timbres(tmp_path / "whole.sf2", np.ones((1, 1))).read_bytes()
    rng, tables, refused = random.Random(0), whole.index(b"pdta"), 0
    for _ in range(20):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[rng.randrange(tables, len(whole))] = rng.randrange(256)
        path = tmp_path / "damaged.sf2"
        path.write_bytes(damaged)
        try:
            font = open_sound_font(path)
            [font.samples(zone) for zones in font.presets.values() for zone in zones]
        except InputError:
            refused += 1
    assert 0 < refused < 20
