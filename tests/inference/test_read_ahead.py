"""Recordings that are decoded ahead are those that are decoded alone."""

import threading

import numpy as np
import pytest

from musicssl.audio.decode import read_audio
from musicssl.audio.unreadable import UnreadableAudioError
from musicssl.inference.read_ahead import read_ahead
from tests.support.tone_folder import RATE


def test_blocks_in_order_and_faults_where_they_are(recordings, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound")
    paths = [recordings / "00.wav", bad, recordings / "01.wav"]
    found = {}
    for path, blocks in read_ahead(paths, 6000):
        if path == bad:
            with pytest.raises(UnreadableAudioError):
                list(blocks)
        else:
            found[path] = np.concatenate(list(blocks))
    assert list(found) == [paths[0], paths[2]]
    assert all((audio == read_audio(path, 6000)).all() for path, audio in found.items())


def test_a_reader_may_give_up_on_a_recording_or_on_all(recordings):
    paths = [recordings / f"{clip:02d}.wav" for clip in range(6)]
    before = threading.active_count()
    for number, (path, blocks) in enumerate(read_ahead(paths, RATE)):
        assert path == paths[number]
        if number == 3:
            break
        if number % 2:
            assert len(next(blocks))
    assert threading.active_count() == before


def test_any_error_reaches_the_reader(tmp_path):
    [(_, blocks)] = list(read_ahead([], RATE)) or [(None, iter(()))]
    assert list(blocks) == []
    for _, blocks in read_ahead([tmp_path / "missing.wav"], RATE):
        with pytest.raises((OSError, UnreadableAudioError)):
            list(blocks)
