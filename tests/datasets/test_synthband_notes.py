"""Oracles: the frequency of a rendered note, the score of each clip, synthband's own machinery."""

from dataclasses import replace

import numpy as np
import pytest

from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.data.checks import check_corpus
from musicssl.datasets.synthband_notes import PITCHES, SynthbandNotes
from musicssl.datasets.synthesis.instruments import CLASSES, INSTRUMENTS
from musicssl.errors import InputError
from tests.support.sound_font_file import write_timbres


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    return SynthbandNotes(
        num_clips=200,
        features=LogMel(sample_rate=22_050, num_mels=32),
        cache=tmp_path_factory.mktemp("cache"),
        num_workers=1,
    )


def test_each_clip_is_a_note_of_one_instrument(notes):
    corpus = check_corpus(notes.load())
    assert corpus.task == "multi_class"
    assert set(CLASSES) - set(corpus.classes) == {"drums", "cymbals"}
    assert (corpus.y.sum(axis=1) == 1).all()
    assert corpus.mask.all()
    for number in range(200):
        [part] = notes._score(number)
        assert corpus.classes[corpus.y[number].argmax()] == part.instrument.name
        assert len(part.keys) == 1
        assert part.starts[0] == 0
        assert part.instrument.low <= part.keys[0] <= part.instrument.high
        assert corpus.pitches[number] == part.keys[0]
    assert len(np.unique(corpus.pitches)) > 30


def cents_off(sound, rate, pitch):
    """How far the strongest of the frequencies is from a multiple of that of a pitch, or half it.

    Half of it, because some organs and synthesizers sound an octave lower.
    """
    part = sound[2000:18_000]
    size = 1 << 17
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), size))
    strongest = spectrum.argmax() * rate / size
    lowest = 440 * 2 ** ((pitch - 69) / 12)
    multiples = lowest * np.array([0.5, *range(1, 5)])
    return np.abs(1200 * np.log2(strongest / multiples)).min()


def test_a_note_has_the_frequency_of_its_pitch(notes):
    """Of the notes of symusic, which is out of tune, half are more than 50 cents off."""
    corpus, dry = notes.load(), replace(notes, effects=0.0, noise_db=None)
    off = []
    for row in range(60):
        sound, rate = dry.audio(corpus.clip_ids[row])
        off.append(cents_off(sound, rate, corpus.pitches[row]))
    assert np.mean(np.array(off) < 50) > 0.9


def test_pitches_can_be_the_target(notes):
    corpus, of_pitch = notes.load(), replace(notes, target="pitch").load()
    assert of_pitch.classes == PITCHES
    assert PITCHES[0] == str(min(i.low for i in INSTRUMENTS if not i.percussion))
    assert [int(PITCHES[c]) for c in of_pitch.y.argmax(axis=1)] == corpus.pitches.tolist()
    np.testing.assert_array_equal(of_pitch.x, corpus.x)


def test_pitches_are_those_that_a_font_plays(notes, tmp_path):
    """A font whose keys end at 72 plays higher notes octaves lower."""
    spectrum = np.exp(np.random.default_rng(0).normal(size=(128, 8)))
    font = write_timbres(tmp_path / "a.sf2", spectrum)
    played = replace(notes, num_clips=20, cache=tmp_path, sound_fonts=[font])
    corpus = played.load()
    for number in range(20):
        [part] = played._as_played(number, played._score(number))
        assert corpus.pitches[number] == part.keys[0]


def test_a_small_corpus_is_the_start_of_a_large_one_and_sound_is_that_of_the_features(notes):
    corpus, start = notes.load(), replace(notes, num_clips=12).load()
    np.testing.assert_array_equal(start.x, corpus.x[:12])
    np.testing.assert_array_equal(start.pitches, corpus.pitches[:12])
    sound = replace(notes, num_clips=12, features=Waveform(22_050)).load()
    np.testing.assert_array_equal(sound.pitches, start.pitches)
    assert (sound.sound.lengths == 22_050).all()


def test_identity_depends_on_pitches(notes):
    corpus = notes.load()
    other = replace(corpus, pitches=corpus.pitches + 1)
    assert corpus.identity()["pitches"] != other.identity()["pitches"]
    assert corpus.identity()["labels"] == other.identity()["labels"]
    with pytest.raises(InputError, match="pitches has shape"):
        check_corpus(replace(corpus, pitches=corpus.pitches[:5]))


def test_impossible_settings_are_refused():
    with pytest.raises(InputError, match="target must be family or pitch, got key"):
        SynthbandNotes(target="key")
    with pytest.raises(InputError, match=r"clip_seconds.*at least 0\.25 s"):
        SynthbandNotes(clip_seconds=0.1, features=LogMel(sample_rate=22_050))
