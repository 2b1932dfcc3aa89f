import os
import resource
import signal
from contextlib import contextmanager

import numpy as np
import pytest

from musicssl.errors import InputError
from musicssl.probing.embeddings.array_file import ArrayFile, open_array

ROWS = np.random.default_rng(0).standard_normal((11, 3)).astype(np.float32)
PIECES = [ROWS[:4], ROWS[4:8], ROWS[8:]]
TASK = "embedding"


def write(folder, pieces=PIECES, task=TASK):
    with ArrayFile(folder, len(ROWS), task) as array:
        for piece in pieces:
            array.append(piece)
        array.flush()


def go_on(folder, task=TASK):
    """Write the pieces that are missing; return how many rows were there."""
    with ArrayFile(folder, len(ROWS), task) as array:
        done = array.done
        for start, piece in zip([0, 4, 8], PIECES, strict=True):
            if start >= done:
                array.append(piece)
    return done


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def whole(tmp_path):
    folder = tmp_path / "whole"
    folder.mkdir()
    write(folder)
    return folder


def test_rows_are_read_as_numpy_reads_them(whole):
    array = open_array(whole)
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    np.testing.assert_array_equal(array, ROWS)
    np.testing.assert_array_equal(np.load(whole / "h.npy"), ROWS)


def test_every_cut_of_either_file_is_resumed_to_the_same_bytes(whole, tmp_path):
    expected = content(whole)
    head = len(expected["h.npy"]) - ROWS.nbytes
    lines = expected["journal.jsonl"].splitlines(keepends=True)
    ends = {"h.npy": head, "journal.jsonl": len(lines[0])}
    of_a_piece = {
        "h.npy": [piece.nbytes for piece in PIECES],
        "journal.jsonl": list(map(len, lines[1:])),
    }
    for name in expected:
        written = ends[name] + np.cumsum(of_a_piece[name])
        for cut in range(len(expected[name])):
            folder = tmp_path / f"{name}-{cut}"
            folder.mkdir()
            for file, data in expected.items():
                (folder / file).write_bytes(data[:cut] if file == name else data)
            assert go_on(folder) == [0, 4, 8, 11][int((written <= cut).sum())]
            assert content(folder) == expected


@pytest.mark.parametrize("name", ["h.npy", "journal.jsonl"])
def test_bytes_that_a_power_cut_left_are_not_believed(whole, name):
    expected = content(whole)
    data = bytearray(expected[name])
    data[-8:] = bytes(8)
    (whole / name).write_bytes(data)
    with pytest.raises(InputError, match=r"whole are damaged; remove that folder"):
        open_array(whole)
    assert go_on(whole) == 8
    assert content(whole) == expected


def test_rows_of_another_task_or_number_are_written_anew(whole):
    assert go_on(whole) == 11
    assert go_on(whole, "other") == 0
    with ArrayFile(whole, 12, "other") as array:
        assert array.done == 0
    assert (whole / "h.npy").stat().st_size == 0


@pytest.mark.parametrize("name", ["h.npy", "journal.jsonl"])
def test_a_file_that_is_gone_or_short_is_noticed(whole, name):
    size = (whole / name).stat().st_size
    for damage in (lambda: os.truncate(whole / name, size - 1), (whole / name).unlink):
        damage()
        with pytest.raises(InputError, match="are damaged"):
            open_array(whole)


def test_an_array_that_is_not_complete_is_not_opened(tmp_path):
    write(tmp_path, PIECES[:2])
    with pytest.raises(InputError, match="are damaged"):
        open_array(tmp_path)


@contextmanager
def disk_of(num_bytes):
    """Let no file grow beyond so many bytes, as on a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_reported_and_what_is_done_is_kept(whole, tmp_path):
    expected = content(whole)
    folder = tmp_path / "full"
    folder.mkdir()
    room = len(expected["h.npy"]) - PIECES[2].nbytes + 5
    with (
        disk_of(room),
        pytest.raises(InputError, match=r"cannot be written: .*; make room .*keeps the rows done"),
    ):
        write(folder)
    assert go_on(folder) == 8
    assert content(folder) == expected
