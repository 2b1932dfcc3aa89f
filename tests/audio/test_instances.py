import os

import numpy as np
import pytest
import soundfile

from musicssl.audio import instances
from musicssl.audio.decode import read_audio
from musicssl.audio.instances import instance_store
from musicssl.audio.log_mel import LogMel
from musicssl.errors import InputError

FEATURES = LogMel(sample_rate=8_000, num_mels=16, n_fft=512)


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "audio"
    folder.mkdir()
    for index, seconds in enumerate([2.0, 3.2, 0.2]):  # the last one is short of an instance
        noise = rng.uniform(-0.5, 0.5, round(seconds * 8_000))
        soundfile.write(folder / f"{index}.wav", noise, 8_000)
    (folder / "3.mp3").write_text("no sound")
    soundfile.write(folder / "4.wav", np.ones(0), 8_000)
    return folder


NAMES = ["0.wav", "1.wav", "2.wav", "3.mp3", "4.wav"]


def open_store(root, names=NAMES, features=FEATURES, num_workers=1, **settings):
    return instance_store(
        root, names, features, root.parent / "cache", "x", num_workers=num_workers, **settings
    )


def no_decoding(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("decoded again")

    monkeypatch.setattr(instances, "read_audio", refuse)


def test_each_row_is_the_features_of_its_file_and_then_zeros(root):
    store = open_store(root)
    assert store.clip_ids == ("0.wav", "1.wav", "2.wav")
    assert store.lengths.tolist() == [2, 3, 1]
    assert store.x.shape == (3, 3, 16)
    for clip_id, length, row in zip(store.clip_ids, store.lengths, store.x, strict=True):
        expected = FEATURES(read_audio(root / clip_id, 8_000))
        np.testing.assert_array_equal(row[:length], expected)
        assert not row[length:].any()


def test_files_without_instances_are_reported_with_their_fault(root):
    unreadable = open_store(root).unreadable
    assert list(unreadable) == ["3.mp3", "4.wav"]
    assert unreadable["3.mp3"].startswith("is not audio")
    assert unreadable["4.wav"].startswith("holds no samples")


@pytest.mark.slow
def test_workers_and_one_process_make_the_same(root):
    names = NAMES * 8  # several chunks
    alone = instance_store(root, names, FEATURES, root.parent / "alone", "x", num_workers=1)
    together = instance_store(root, names, FEATURES, root.parent / "together", "x", num_workers=2)
    np.testing.assert_array_equal(alone.x, together.x)
    assert alone.clip_ids == together.clip_ids
    assert alone.unreadable == together.unreadable


def test_nothing_is_decoded_twice_also_not_the_unreadable(root, monkeypatch):
    first = open_store(root)
    no_decoding(monkeypatch)
    again = open_store(root)
    assert again.folder == first.folder
    assert again.unreadable == first.unreadable
    np.testing.assert_array_equal(again.x, first.x)


def test_the_cache_follows_a_moved_root(root, monkeypatch):
    first = open_store(root)
    no_decoding(monkeypatch)
    moved = root.rename(root.parent / "elsewhere")
    assert open_store(moved).folder == first.folder


def test_a_changed_file_setting_or_list_makes_a_new_store(root):
    first = open_store(root)
    stores = [first, open_store(root, max_seconds=1.0), open_store(root, names=NAMES[:2])]
    stores.append(open_store(root, features=LogMel(sample_rate=8_000, num_mels=8, n_fft=512)))
    soundfile.write(root / "0.wav", np.zeros(16_000), 8_000)  # same size
    os.utime(root / "0.wav", ns=(0, 1))
    changed = open_store(root)
    stores.append(changed)
    assert len({store.folder for store in stores}) == len(stores)
    assert not changed.x[0].any()
    assert first.x[0].any()


def decoded_files(monkeypatch):
    names = []

    def noted(path, *arguments):
        names.append(path.name)
        return read_audio(path, *arguments)

    monkeypatch.setattr(instances, "read_audio", noted)
    return names


def test_one_file_more_decodes_one_file_and_gives_what_decoding_all_gives(root, monkeypatch):
    open_store(root)
    soundfile.write(root / "15.wav", np.linspace(-0.5, 0.5, 24_000), 8_000)
    (root / "5.mp3").write_text("no sound either")
    names = ["0.wav", "1.wav", "15.wav", "2.wav", "3.mp3", "4.wav", "5.mp3"]
    decoded = decoded_files(monkeypatch)
    store = open_store(root, names)
    assert decoded == ["15.wav", "5.mp3"]
    whole = instance_store(root, names, FEATURES, root.parent / "other", "x", num_workers=1)
    np.testing.assert_array_equal(store.x, whole.x)
    assert store.clip_ids == whole.clip_ids
    assert store.lengths.tolist() == whole.lengths.tolist()
    assert store.unreadable == whole.unreadable
    assert store.folder.name == whole.folder.name


def test_fewer_files_decode_nothing(root, monkeypatch):
    first = open_store(root)
    no_decoding(monkeypatch)
    store = open_store(root, NAMES[1:])
    assert store.clip_ids == ("1.wav", "2.wav")
    np.testing.assert_array_equal(store.x, first.x[1:])


def test_a_peak_beyond_full_scale_is_told_again(root, caplog):
    soundfile.write(root / "5.wav", np.r_[np.full(16_000, 0.5), 1.5], 8_000, subtype="FLOAT")
    open_store(root, [*NAMES, "5.wav"])
    caplog.clear()
    open_store(root, ["0.wav", "5.wav"])
    assert "5.wav" in caplog.text


@pytest.mark.parametrize("change", ["size", "time", "settings", "start", "root", "damage"])
def test_what_changed_is_decoded_again(root, monkeypatch, change):
    first = open_store(root)
    settings = {}
    if change == "size":
        soundfile.write(root / "1.wav", np.zeros(16_000), 8_000)
    elif change == "time":
        os.utime(root / "1.wav", ns=(0, 1))
    elif change == "settings":
        settings["features"] = LogMel(sample_rate=8_000, num_mels=8, n_fft=512)
    elif change == "start":
        settings["max_seconds"] = 1.0
    elif change == "root":
        root = root.rename(root.parent / "elsewhere")
    else:
        with (first.folder / "x.npy").open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"?")
    decoded = decoded_files(monkeypatch)
    open_store(root, NAMES[:2], **settings)
    assert decoded == (["1.wav"] if change in ("size", "time") else ["0.wav", "1.wav"])


def test_a_store_that_does_not_say_what_it_is_made_from_is_passed_over(root, monkeypatch):
    first = open_store(root)
    (first.folder / "made_from.json").write_text("{")
    decoded = decoded_files(monkeypatch)
    open_store(root, NAMES[:2])
    assert decoded == ["0.wav", "1.wav"]


def test_only_the_start_is_used_on_request(root):
    store = open_store(root, max_seconds=1.0)
    assert store.lengths.tolist() == [1, 1, 1]
    np.testing.assert_allclose(
        store.x[1], FEATURES(read_audio(root / "1.wav", 8_000)[:8_000]), atol=1e-7
    )


def test_a_folder_without_one_sound_leaves_no_store(root):
    with pytest.raises(InputError, match=r"none of the 2 audio files .* 3\.mp3 is not audio"):
        open_store(root, names=["3.mp3", "4.wav"])
    assert not [path for path in (root.parent / "cache").iterdir() if path.is_dir()]


def test_a_link_to_nowhere_is_an_unreadable_file(root):
    (root / "lost.wav").symlink_to(root / "nowhere.wav")
    store = open_store(root, names=[*NAMES, "lost.wav"])
    assert "lost.wav" in store.unreadable
    assert "lost.wav" not in store.clip_ids
