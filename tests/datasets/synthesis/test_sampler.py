"""Oracles: frequencies of MIDI keys, formulas of envelopes, a sine that is known everywhere."""

import numpy as np
import pytest

from musicssl.datasets.synthesis.compose import Part
from musicssl.datasets.synthesis.instruments import CLASSES, INSTRUMENTS
from musicssl.datasets.synthesis.render import default_sound_font
from musicssl.datasets.synthesis.sampler import RELEASE_SECONDS, sample_part
from musicssl.datasets.synthesis.sound_font import open_sound_font
from tests.support.sound_font_file import (
    LOOPS,
    VELOCITIES,
    harmonics,
    write_sound_font,
    write_timbres,
)

RATE = 16_000
FLUTE = CLASSES.index("flute")


def note(key, start=0.5, duration=1.0, program=73, column=FLUTE, velocity=None, cents=0.0):
    velocities = None if velocity is None else np.array([velocity])
    times = np.array([start]), np.array([duration])
    return Part(column, program, *times, np.array([key]), velocities, cents)


def fundamental(sound, rate=RATE):
    """Return the frequency of the strongest partial, by the parabola through its peak."""
    spectrum = np.log(np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 8 * len(sound))) + 1e-9)
    peak = int(spectrum.argmax())
    left, top, right = spectrum[peak - 1 : peak + 2]
    return (peak + 0.5 * (left - right) / (left - 2 * top + right)) * rate / (8 * len(sound))


@pytest.fixture(scope="module")
def sines(tmp_path_factory):
    path = tmp_path_factory.mktemp("fonts") / "sines.sf2"
    return open_sound_font(write_timbres(path, np.array([[1.0]])))


@pytest.mark.parametrize("key", [28, 45, 60, 69, 75, 76, 88, 100])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_note_has_the_frequency_of_its_key(sines, key, rate):
    """Longer than the sample, which is looped: 440 * 2 ** ((key - 69) / 12) Hz, to a cent."""
    sound = sample_part(sines, note(key), 2.0, rate)
    expected = 440 * 2 ** ((key - 69) / 12)
    heard = sound[round(0.6 * rate) : round(1.4 * rate)]
    assert fundamental(heard, rate) == pytest.approx(expected, rel=6e-4)


def test_tuning_moves_the_frequency_by_cents(sines):
    sound = sample_part(sines, note(60, cents=35.0), 2.0, RATE)
    expected = 440 * 2 ** ((60 - 69 + 0.35) / 12)
    assert fundamental(sound[9_600:22_400]) == pytest.approx(expected, rel=6e-4)


def test_a_looped_sine_is_a_sine(sines):
    """No step where the loop begins again: a sine by least squares leaves 50 dB less."""
    sound = sample_part(sines, note(69), 2.0, RATE)[9_600:22_400]
    phase = 2 * np.pi * 440 * np.arange(len(sound)) / RATE
    basis = np.stack([np.sin(phase), np.cos(phase)], axis=1)
    rest = sound - basis @ np.linalg.lstsq(basis, sound, rcond=None)[0]
    assert np.square(rest).mean() < 1e-5 * np.square(sound).mean()


def test_a_note_sounds_from_its_start_to_its_end(sines):
    sound = np.abs(sample_part(sines, note(69), 2.0, RATE))
    assert sound[: RATE // 2].max() == 0
    assert sound[RATE // 2 : RATE // 2 + 200].max() > 0.9 * sound.max()
    assert sound[round((1.5 + RELEASE_SECONDS) * RATE) + 1 :].max() == 0


def test_a_sample_without_a_loop_ends(tmp_path):
    path = write_sound_font(tmp_path / "a.sf2", [harmonics([1.0])], {(0, 73): [(0, {})]})
    sound = np.abs(sample_part(open_sound_font(path), note(69, start=0.0), 1.0, RATE))
    assert sound[3_500:3_900].max() > 0.1
    assert sound[4_100:].max() == 0


def test_the_envelope_is_that_of_the_specification(tmp_path):
    """Attack 0.25 s linear in amplitude, then 12 dB at 100 dB in 4 s, then the sustain level."""
    generators = {LOOPS: 1, 34: -2400, 36: 2400, 37: 120}
    path = write_sound_font(tmp_path / "a.sf2", [harmonics([1.0])], {(0, 73): [(0, generators)]})
    sound = np.abs(sample_part(open_sound_font(path), note(69, 0.0, 2.0), 2.0, RATE))
    peaks = sound.reshape(-1, 400).max(axis=1) * 2 * (127 / 100) ** 2  # of 25 ms
    middle = (np.arange(80) + 0.5) / 40
    fallen_db = np.clip((middle - 0.25) * 100 / 4, 0, 12)
    expected = np.minimum(middle / 0.25, 1) * 10 ** (-fallen_db / 20)
    np.testing.assert_allclose(peaks, expected, atol=0.06)


def test_velocity_chooses_the_sample_and_the_level(tmp_path):
    zones = [(0, {VELOCITIES: 256 * 63, LOOPS: 1}), (1, {VELOCITIES: 64 + 256 * 127, LOOPS: 1})]
    waves = [harmonics([1.0]), harmonics([0.0, 1.0])]
    font = open_sound_font(write_sound_font(tmp_path / "a.sf2", waves, {(0, 73): zones}))
    sounds = {v: sample_part(font, note(69, velocity=v), 2.0, RATE) for v in (30, 60, 64, 127)}
    heard = {v: fundamental(sound[9_600:22_400]) for v, sound in sounds.items()}
    assert heard == pytest.approx({30: 440, 60: 440, 64: 880, 127: 880}, rel=1e-3)
    np.testing.assert_allclose(sounds[60], 4 * sounds[30], atol=1e-6)


def test_every_note_of_the_default_font_has_the_pitch_of_its_key():
    """Autocorrelation at the period of the key. Left out: bars and drawbars have no such period."""
    font = open_sound_font(default_sound_font())
    inharmonic = ("mallet_percussion", "organ", "voice")
    for column, instrument in enumerate(INSTRUMENTS):
        if instrument.percussion or instrument.name in inharmonic:
            continue
        for program in instrument.programs:
            key = (instrument.low + instrument.high) // 2
            part = note(key, 0.0, 1.0, program, column)
            sound = sample_part(font, part, 1.0, RATE)[4_000:12_000]
            power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 32_768)) ** 2
            correlation = np.fft.irfft(power)[:1_000]
            period = RATE / (440 * 2 ** ((key - 69) / 12))
            at_period = np.interp(period, np.arange(1_000), correlation) / correlation[0]
            assert at_period > 0.75, (instrument.name, program)
