"""Oracles: synthband with one part, and fonts written by code whose timbres are known."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from musicssl.data.checks import check_corpus
from musicssl.datasets.synthband import Synthband
from musicssl.datasets.synthband_solo import SynthbandSolo
from musicssl.datasets.synthesis.instruments import CLASSES
from tests.support.midi_file import write_scores
from tests.support.sound_font_file import write_timbres


@pytest.fixture(scope="module")
def solo(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    return SynthbandSolo(num_clips=160, clip_seconds=2.0, cache=cache, num_workers=1)


def test_each_clip_is_of_one_class(solo):
    corpus = check_corpus(solo.load())
    assert (corpus.name, corpus.task, corpus.classes) == ("synthband_solo", "multi_class", CLASSES)
    assert (corpus.y.sum(axis=1) == 1).all()
    assert corpus.mask.all()
    assert corpus.activity is None
    assert corpus.y.sum(axis=0).min() > 0  # 8 on average


def test_a_clip_is_that_of_one_part(solo):
    band = Synthband(10, clip_seconds=2.0, min_parts=1, max_parts=1, level_range_db=0.0)
    for number in range(10):
        ours, _ = solo.audio(f"synthband_solo-{number:06d}")
        np.testing.assert_array_equal(ours, band.audio(f"synthband-{number:06d}")[0])


def test_one_instrument_of_a_score_is_kept(tmp_path):
    scores = write_scores(tmp_path / "scores", 12)
    solo = SynthbandSolo(60, clip_seconds=4.0, scores=scores, cache=tmp_path, num_workers=1)
    band = Synthband(60, clip_seconds=4.0, scores=scores, cache=tmp_path, num_workers=1)
    corpus = check_corpus(solo.load())
    assert (corpus.y.sum(axis=1) == 1).all()
    assert set(corpus.classes) == {"bass", "drums", "flute", "piano"}
    for number in range(60):
        columns = {part.column for part in band._score(number)}
        [column] = {part.column for part in solo._score(number)}
        assert column in columns


def accuracy_across(solo, trained, tested, cache):
    """Return the accuracy of log-mel statistics and logistic regression on the test clips."""
    fonts = {"sound_fonts": [trained], "test_sound_fonts": None if tested is trained else [tested]}
    corpus = replace(solo, num_clips=500, cache=cache, effects=0.0, **fonts).load()
    x = np.concatenate([corpus.x.mean(axis=1), corpus.x.std(axis=1)], axis=1)
    y, train, test = corpus.y.argmax(axis=1), corpus.indices("train"), corpus.indices("test")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    return classifier.fit(x[train], y[train]).score(x[test], y[test])


@pytest.mark.slow
def test_what_is_learnt_from_one_font_holds_less_for_another(solo, tmp_path):
    """A program's spectrum is partly that of the program in both fonts and partly of the font."""
    rng = np.random.default_rng(1)
    of_program = rng.normal(size=(128, 8))
    spectra = [np.exp(1.5 * (of_program + rng.normal(size=(128, 8)))) for _ in range(2)]
    fonts = [write_timbres(tmp_path / f"{n}.sf2", spectrum) for n, spectrum in enumerate(spectra)]
    chance = 1 / len(CLASSES)
    for trained, other in (fonts, fonts[::-1]):
        within = accuracy_across(solo, trained, trained, tmp_path)
        across = accuracy_across(solo, trained, other, tmp_path)
        assert within > 4 * chance  # of 100 test clips: 3 sigma above chance are 0.12
        assert across < within - 0.1
