import logging
import os
import pickle

import numpy as np
import pytest
import soundfile

from musicssl.audio.decode import read_audio
from musicssl.audio.file_stores import file_store, find_file_store
from musicssl.errors import InputError

RATE = 8_000
FILES = ["a.wav", "b.mp3", "c.ogg", "zero.wav"]


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "audio"
    folder.mkdir()
    for name, seconds, rate in [("a.wav", 0.5, RATE), ("b.mp3", 1.2, 44_100), ("c.ogg", 0.7, RATE)]:
        soundfile.write(folder / name, rng.uniform(-0.5, 0.5, (round(seconds * rate), 2)), rate)
    (folder / "zero.wav").touch()
    return folder


def prepared(root, rate=RATE, names=FILES):
    return file_store(root, names, rate, root.parent / "cache", "tiny", num_workers=1)


def found(root, rate=RATE, names=FILES):
    return find_file_store(root, names, rate, root.parent / "cache", "tiny")


def test_the_store_of_files_holds_what_decoding_gives(root):
    store = prepared(root)
    assert store.folder.name.startswith("tiny-8000-")
    assert store.clip_ids == ("a.wav", "b.mp3", "c.ogg")
    assert store.unreadable == {"zero.wav": "is empty (0 bytes)"}
    for row, name in enumerate(store.clip_ids):
        whole = read_audio(root / name, RATE)
        x = store.read(np.array([row]), np.array([0]), len(whole))
        np.testing.assert_allclose(x[0], whole, rtol=0, atol=1 / 65536)


def test_16_bit_files_of_the_same_rate_are_kept_to_the_bit(root):
    samples = np.random.default_rng(0).integers(-32768, 32768, 999).astype(np.int16)
    soundfile.write(root / "a.wav", samples, RATE)
    store = prepared(root, names=["a.wav"])
    assert (store.folder / "samples.i16").read_bytes() == samples.tobytes()


def test_a_store_is_found_only_for_its_files_and_rate(root, caplog):
    assert found(root) is None
    assert not caplog.records
    store = prepared(root)
    assert found(root).folder == store.folder
    assert found(root.rename(root.parent / "moved").rename(root)).folder == store.folder
    with caplog.at_level(logging.WARNING):
        assert found(root, rate=16_000) is None
        os.utime(root / "a.wav", ns=(0, 1))
        assert found(root) is None
        assert found(root) is None
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 2  # the second rate and the changed file, each said once
    assert all(str(store.folder) in text and "--prepare" in text for text in warnings)


def test_a_store_of_more_files_will_do(root):
    """One corpus can have several label sets, of which each names other files."""
    everything, some = prepared(root), [FILES[1], FILES[0]]
    for part in (found(root, names=some), prepared(root, names=some)):
        assert part.folder == everything.folder
        assert list(part.clip_ids) == some
        part.verify()
        for row, name in enumerate(some):
            whole = everything.clip_ids.index(name)
            length = int(part.lengths[row])
            assert length == everything.lengths[whole]
            rows, starts = np.array([row]), np.array([3])
            expected = everything.read(np.array([whole]), starts, length)
            assert np.array_equal(part.read(rows, starts, length), expected)
        again = pickle.loads(pickle.dumps(part))
        assert again.clip_ids == part.clip_ids
        assert again.lengths.tolist() == part.lengths.tolist()


@pytest.mark.parametrize("half", ["", '[{"package": ', "[1, 2]", "{}", '"x"', "[{}]"])
def test_a_store_whose_list_of_files_is_damaged_stops_no_other_one(root, caplog, half):
    listed = prepared(root).folder / "files.json"
    listed.write_text(half)
    assert found(root, names=FILES[:1]) is None
    store = prepared(root, names=FILES[:1])
    assert store.clip_ids == ("a.wav",)
    assert store.folder != listed.parent
    warnings = [record.getMessage() for record in caplog.records]
    assert any(str(listed) in text and "--prepare" in text for text in warnings)


@pytest.mark.parametrize("half", [None, "[1"])
def test_preparing_a_store_again_mends_its_list_of_files(root, half):
    listed = prepared(root).folder / "files.json"
    whole = listed.read_text()
    listed.unlink()
    if half is not None:
        listed.write_text(half)
    prepared(root)
    assert listed.read_text() == whole
    assert found(root, names=FILES[:1]).folder == listed.parent


def test_a_larger_store_that_is_damaged_stops_no_other_one(root, caplog):
    larger = prepared(root).folder
    (larger / "samples.i16").unlink()
    with pytest.raises(InputError, match="damaged"):
        found(root)
    assert prepared(root, names=FILES[:1]).folder != larger
    assert any(str(larger) in record.getMessage() for record in caplog.records)


def test_a_store_in_which_one_of_the_files_has_changed_will_not_do(root):
    prepared(root)
    soundfile.write(root / FILES[0], np.zeros(500), RATE)
    assert found(root, names=FILES[:2]) is None
    assert found(root, names=FILES[1:2]) is not None


def test_stores_of_corpora_with_like_names_are_no_reason_to_warn(root, caplog):
    file_store(root, FILES, RATE, root.parent / "cache", "tiny-more", num_workers=1)
    assert found(root) is None
    assert not caplog.records


def test_files_none_of_which_is_sound_leave_no_store_and_may_be_mended(root):
    with pytest.raises(InputError, match=r"none of the 1 clips .* zero\.wav is empty"):
        prepared(root, names=["zero.wav"])
    assert found(root, names=["zero.wav"]) is None
    with pytest.raises(InputError, match="none of the 0 clips"):
        prepared(root, names=[])
