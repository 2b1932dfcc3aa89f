"""Recordings that are decoded ahead, or several at a time, are those that are decoded alone."""

import threading

import numpy as np
import pytest
import torch

from musicssl.audio.decode import read_audio
from musicssl.audio.unreadable import UnreadableAudioError
from musicssl.inference.read_ahead import done_ahead, read_ahead
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


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_several_recordings_at_a_time_are_in_order_with_their_faults(recordings, tmp_path, at_once):
    (bad := tmp_path / "bad.wav").write_bytes(b"no sound")
    paths = [recordings / f"{clip:02d}.wav" for clip in range(6)]
    paths[4:4] = [bad]
    threads = torch.get_num_threads()
    found = list(done_ahead(paths, RATE, lambda blocks: np.concatenate(list(blocks)), at_once))
    assert [path for path, _ in found] == paths
    for path, audio in found:
        if path == bad:
            assert isinstance(audio, str)
        else:
            assert np.array_equal(audio, read_audio(path, RATE))
    assert torch.get_num_threads() == threads


def test_recordings_worked_on_at_a_time_are_as_many_as_asked_for(recordings):
    """Oracle: each of the first two waits for the other."""
    together = threading.Barrier(2, timeout=20)
    paths = [recordings / f"{clip:02d}.wav" for clip in range(2)]
    found = done_ahead(paths, RATE, lambda blocks: together.wait() in (0, 1), at_once=2)
    assert [outcome for _, outcome in found] == [True, True]


def test_work_on_several_recordings_stops_with_its_reader(recordings):
    paths = [recordings / f"{clip % 6:02d}.wav" for clip in range(40)]
    begun = []
    before = threading.active_count()
    for number, _ in enumerate(done_ahead(paths, RATE, begun.append, at_once=2)):
        if number == 1:
            break
    assert len(begun) < len(paths)
    assert threading.active_count() == before
