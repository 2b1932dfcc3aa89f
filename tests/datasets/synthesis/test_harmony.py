import numpy as np

from musicssl.datasets.synthesis.harmony import Harmony, draw_harmony

C_MAJOR = (0, 2, 4, 5, 7, 9, 11)
TRIADS = ({0, 3, 7}, {0, 4, 7}, {0, 3, 6})  # minor, major, diminished, in semitones above the root


def test_chords_change_with_the_bar_and_start_again():
    harmony = Harmony(C_MAJOR, (0, 3, 4, 5))  # C F G Am
    chords = [set(harmony.chord(beat)) for beat in (0, 3.9, 4, 8, 12, 16)]
    c, f, g, a = {0, 4, 7}, {5, 9, 0}, {7, 11, 2}, {9, 0, 4}
    assert chords == [c, c, f, g, a, c]


def test_every_drawn_chord_is_a_triad_of_its_scale():
    for seed in range(100):
        harmony = draw_harmony(np.random.default_rng(seed))
        for bar in range(4):
            chord = harmony.chord(4 * bar)
            assert {(tone - chord[0]) % 12 for tone in chord} in TRIADS
            assert set(chord) <= set(harmony.scale)


def test_keys_are_those_of_the_scale_within_the_range():
    assert Harmony(C_MAJOR, (0,)).keys(59, 65) == [59, 60, 62, 64, 65]
