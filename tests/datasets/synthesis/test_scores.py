"""Oracles: scores written by code, and a loop over their notes."""

import numpy as np
import pytest

from musicssl.datasets.synthesis import scores
from musicssl.datasets.synthesis.activity import activity
from musicssl.datasets.synthesis.instruments import CLASSES, INSTRUMENTS
from musicssl.datasets.synthesis.scores import DRUMS, PROGRAMS, open_scores, read_score
from musicssl.errors import InputError
from tests.support.midi_file import write_midi, write_scores


def opened(folder, seed=0):
    return open_scores(folder, np.random.default_rng(seed))


def test_programs_and_drum_keys_have_the_classes_of_general_midi():
    names = {program: CLASSES[column] for program, column in PROGRAMS.items()}
    assert (names[0], names[40], names[65], names[73]) == ("piano", "violin", "saxophone", "flute")
    assert 48 not in names  # string ensemble
    assert (CLASSES[DRUMS[38]], CLASSES[DRUMS[42]]) == ("drums", "cymbals")
    assert 56 not in DRUMS  # cowbell
    for column, instrument in enumerate(INSTRUMENTS):
        if not instrument.percussion:
            assert all(PROGRAMS[program] == column for program in instrument.programs)


def test_a_stretch_has_the_notes_that_sound_in_it(tmp_path):
    flute = [(1.0, 1.0, 70, 80), (2.95, 0.5, 71, 80), (3.5, 9.0, 72, 80), (6.95, 1.0, 73, 80)]
    path = write_midi(tmp_path / "a.mid", [(73, False, flute), (48, False, [(3.0, 3.0, 60, 99)])])
    [part] = read_score(path).cut(3.0, 4.0)
    assert (part.program, part.instrument.name) == (73, "flute")
    np.testing.assert_allclose(part.starts, [0.0, 0.5], atol=2e-3)
    np.testing.assert_allclose(part.durations, [0.45, 3.5], atol=2e-3)  # cut at both ends
    assert part.keys.tolist() == [71, 72]
    assert part.velocities.tolist() == [80, 80]


def test_a_note_does_not_last_longer_than_its_instrument_rings(tmp_path):
    path = write_midi(tmp_path / "a.mid", [(105, False, [(0.0, 8.0, 60, 80)])])
    [part] = read_score(path).cut(0.0, 10.0)
    assert part.durations.tolist() == [1.0]  # a banjo
    assert read_score(path).cut(2.0, 4.0) == []


def test_programs_of_a_class_are_parts_of_their_own_and_the_label_is_of_both(tmp_path):
    tracks = [(0, False, [(0.0, 0.5, 60, 80)]), (1, False, [(2.0, 0.5, 60, 80)])]
    parts = read_score(write_midi(tmp_path / "a.mid", tracks)).cut(0.0, 4.0)
    assert [part.program for part in parts] == [0, 1]
    active = activity(parts, 4, 1.0)
    assert np.flatnonzero(active[:, CLASSES.index("piano")]).tolist() == [0, 2]


def test_labels_are_those_of_a_loop_over_the_notes(tmp_path):
    """Each class is active in a second in which a note of it sounds for 0.05 s, cut or not."""
    folder = write_scores(tmp_path / "scores", 4)
    for name in opened(folder).names:
        score = read_score(folder / name)
        for start in (0.0, 3.3, 11.7):
            expected = np.zeros((5, len(CLASSES)), bool)
            notes = zip(score.columns, score.starts, score.durations, strict=True)
            for column, begin, duration in notes:
                begin, end = max(begin - start, 0.0), min(begin + duration - start, 5.0)
                if end - begin < 0.1 - 1e-9:
                    continue
                for second in range(5):
                    if min(end, second + 1) - max(begin, second) >= 0.05 - 1e-9:
                        expected[second, column] = True
            assert np.array_equal(activity(score.cut(start, 5.0), 5, 1.0), expected)
            assert expected.any()


def test_a_drawn_stretch_always_has_a_note(tmp_path):
    notes = [(0.0, 0.2, 70, 80), (50.0, 0.2, 70, 80), (50.3, 0.2, 70, 80)]
    score = read_score(write_midi(tmp_path / "a.mid", [(73, False, notes)]))
    for seed in range(40):
        assert score.draw(np.random.default_rng(seed), 2.0)


def test_scores_are_divided_once_and_copies_count_once(tmp_path):
    folder = write_scores(tmp_path / "scores", 20)
    (folder / "more").mkdir()
    (folder / "more" / "copy.MID").write_bytes((folder / "score_03.mid").read_bytes())
    found = opened(folder)
    assert len(found.names) == len(set(found.identities)) == 20
    assert {split: found.splits.count(split) for split in ("train", "val", "test")} == {
        "train": 14,
        "val": 2,
        "test": 4,
    }
    assert opened(folder) == found
    assert opened(folder, seed=1).splits != found.splits


def test_files_that_cannot_be_used_are_listed_and_left_out(tmp_path, caplog):
    folder = write_scores(tmp_path / "scores", 3)
    (folder / "text.mid").write_text("hello")
    whole = (folder / "score_00.mid").read_bytes()
    (folder / "cut.midi").write_bytes(whole[: len(whole) // 2])
    write_midi(folder / "strings.mid", [(48, False, [(0.0, 1.0, 60, 80)])])
    assert len(opened(folder).names) == 3
    [warning] = caplog.messages
    assert "3 files of" in warning
    assert "text.mid is no MIDI file that can be read" in warning
    assert "cut.midi is no MIDI file that can be read (it ends within the chunk" in warning
    assert "strings.mid has no note of a class" in warning


def test_a_score_cut_anywhere_is_refused_without_symusic(tmp_path, monkeypatch):
    # symusic reads past the end of a cut file: what it finds there differs from run to run.
    whole = write_midi(tmp_path / "a.mid", [(73, False, [(0.0, 1.0, 70, 80)])]).read_bytes()
    between = [at for at in range(len(whole)) if whole.startswith(b"MTrk", at)]
    monkeypatch.setattr(scores, "ScoreTick", lambda path: pytest.fail("symusic read the file"))
    for length in set(range(1, len(whole))) - set(between):
        (path := tmp_path / f"{length}.mid").write_bytes(whole[:length])
        assert "(it ends within the chunk that begins at byte" in str(read_score(path))


def test_too_few_scores_are_a_sentence(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        opened(tmp_path / "nowhere")
    folder = write_scores(tmp_path / "scores", 2)
    (folder / "text.mid").write_text("hello")
    with pytest.raises(InputError, match=r"has 2 MIDI files that can be used.*text\.mid is no"):
        opened(folder)
