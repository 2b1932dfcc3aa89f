import numpy as np
import pytest

from musicssl.datasets.synthesis.harmony import draw_harmony
from musicssl.datasets.synthesis.instruments import INSTRUMENTS, Role
from musicssl.datasets.synthesis.patterns import play

PARTS = [(instrument, role) for instrument in INSTRUMENTS for role in instrument.roles]


@pytest.mark.parametrize(("instrument", "role"), PARTS, ids=lambda x: getattr(x, "name", x))
def test_notes_fill_the_stretch_from_its_first_beat_and_keep_to_range_and_scale(instrument, role):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        harmony, start = draw_harmony(rng), int(rng.integers(20))
        beats = range(start, start + int(rng.integers(1, 20)))
        notes = np.array(play(rng, role, instrument, harmony, beats))
        starts, lengths, keys = notes.T
        assert starts[0] == starts.min() == beats.start
        assert (lengths > 0).all()
        assert (starts + lengths <= beats.stop + 1e-9).all()
        assert instrument.low <= keys.min() <= keys.max() <= instrument.high
        if not instrument.percussion:
            assert set(keys % 12) <= set(harmony.scale)


def test_chords_and_bass_play_the_chord_of_the_bar():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        harmony = draw_harmony(rng)
        for role in (Role.BASS, Role.CHORDS):
            instrument = next(i for i in INSTRUMENTS if role in i.roles)
            for beat, _, key in play(rng, role, instrument, harmony, range(3, 17)):
                assert key % 12 in harmony.chord(beat)
