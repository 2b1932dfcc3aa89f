import os
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from musicssl.audio import sound_files as module
from musicssl.audio.decode import read_audio
from musicssl.audio.sound_files import sound_files
from musicssl.audio.unreadable import UnreadableAudioError
from musicssl.errors import InputError

NAMES = ["0.wav", "x/1.mp3", "2.ogg", "3.flac", "zero.mp3", "text.wav"]
GOOD = ("0.wav", "x/1.mp3", "2.ogg", "3.flac")


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "audio"
    (folder / "x").mkdir(parents=True)
    for name, seconds, rate in zip(
        GOOD, [1.0, 2.2, 1.5, 0.3], [8_000, 44_100, 22_050, 48_000], strict=True
    ):
        soundfile.write(folder / name, rng.uniform(-0.5, 0.5, (round(seconds * rate), 2)), rate)
    (folder / "zero.mp3").touch()
    (folder / "text.wav").write_text("no sound")
    return folder


def opened(root, names=NAMES, rate=8_000, num_workers=1):
    return sound_files(root, names, rate, root.parent / "cache", num_workers)


@pytest.mark.parametrize("num_workers", [1, 3])
def test_each_row_is_a_stretch_of_its_file_and_then_zeros(root, num_workers):
    files = opened(root, num_workers=1)
    assert files.num_threads == 1
    files = replace(files, num_threads=num_workers)
    whole = [read_audio(root / name, 8_000) for name in GOOD]
    assert files.clip_ids == GOOD
    assert files.lengths.tolist() == [len(samples) for samples in whole]
    rows, starts = np.array([2, 0, 1, 2, 3]), np.array([5_000, 100, 17_000, 0, 2_000])
    x = files.read(rows, starts, 3_000)
    assert x.shape == (5, 3_000)
    assert x.dtype == np.float32
    for got, row, start in zip(x, rows, starts, strict=True):
        expected = whole[row][start : start + 3_000]
        np.testing.assert_allclose(got[: len(expected)], expected, atol=1e-6)
        assert not got[len(expected) :].any()


def test_unreadable_files_are_reported_with_their_fault(root):
    files = opened(root)
    assert files.unreadable == {
        "zero.mp3": "is empty (0 bytes)",
        "text.wav": "is not audio that soundfile can read, or its header is damaged",
    }


def test_headers_are_read_once(root, monkeypatch):
    first = opened(root)

    def refuse(*arguments):
        raise AssertionError("read again")

    monkeypatch.setattr(module, "count_samples", refuse)
    again = opened(root)
    assert again.folder == first.folder
    assert again.lengths.tolist() == first.lengths.tolist()
    assert again.unreadable == first.unreadable
    monkeypatch.undo()
    os.utime(root / "0.wav", ns=(0, 1))
    assert len({first.folder, opened(root).folder, opened(root, rate=16_000).folder}) == 3


def test_the_fingerprint_is_of_the_files_wherever_they_lie(root):
    first = opened(root).fingerprint
    assert opened(root).fingerprint == first
    others = {opened(root, rate=16_000).fingerprint, opened(root, NAMES[1:]).fingerprint}
    moved = shutil.move(root, root.parent / "elsewhere")
    assert opened(moved).fingerprint == first
    os.utime(moved / "2.ogg", ns=(0, 1))
    others.add(opened(moved).fingerprint)
    with (moved / "2.ogg").open("ab") as file:
        file.write(b"0")
    os.utime(moved / "2.ogg", ns=(0, 1))
    others.add(opened(moved).fingerprint)
    assert len(others | {first}) == 5


def test_a_folder_without_one_sound_is_refused_and_leaves_nothing(root):
    with pytest.raises(InputError, match=r"none of the 2 audio files .* zero\.mp3 is empty"):
        opened(root, ["zero.mp3", "text.wav"])
    assert not [path for path in (root.parent / "cache").iterdir() if path.is_dir()]


def test_a_file_that_breaks_while_training_is_named(root):
    files = opened(root)
    rows, starts = np.array([0, 3]), np.array([0, 0])
    content = (root / "3.flac").read_bytes()
    (root / "3.flac").write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableAudioError, match=r"3\.flac is truncated: .*--prepare.* replace"):
        files.read(rows, starts, 2_400)
    (root / "3.flac").unlink()
    with pytest.raises(UnreadableAudioError, match=r"3\.flac does not exist"):
        files.read(rows, starts, 2_400)


def test_a_file_that_was_replaced_by_a_shorter_one_gives_no_silence(root):
    files = opened(root)
    soundfile.write(root / "0.wav", np.zeros(4_000), 8_000)
    with pytest.raises(UnreadableAudioError, match=r"0\.wav has become shorter"):
        files.read(np.array([0]), np.array([3_000]), 2_000)


def test_a_copy_in_another_process_reads_the_same(root):
    files = opened(root)
    copy = pickle.loads(pickle.dumps(files))
    ask = (np.array([1, 2]), np.array([10, 20]), 500)
    np.testing.assert_array_equal(copy.read(*ask), files.read(*ask))


def test_the_cached_headers_follow_a_moved_root(root):
    first = opened(root)
    shutil.move(root, root.parent / "elsewhere")
    moved = opened(root.parent / "elsewhere")
    assert moved.folder == first.folder
    assert moved.read(np.array([0]), np.array([0]), 10).any()
