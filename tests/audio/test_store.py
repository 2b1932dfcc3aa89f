import os
import pickle

import numpy as np
import pytest

from musicssl.audio.store import ClipStore, build_store
from musicssl.audio.unreadable import UnreadableAudioError
from musicssl.errors import InputError

RATE = 8_000
LENGTHS = {"a": 500, "b/é [x].mp3": 1, "c": 1_200, "silent": 64, "d": 301}


def clip(name):
    samples = np.random.default_rng(len(name)).uniform(-1, 1, LENGTHS[name])
    return np.zeros(64, np.float32) if name == "silent" else samples.astype(np.float32)


@pytest.fixture
def store(tmp_path):
    return build_store(tmp_path / "store", list(LENGTHS), clip, RATE, num_workers=1)


def test_a_batch_is_each_stretch_and_then_zeros(store):
    assert store.clip_ids == tuple(LENGTHS)
    assert store.lengths.tolist() == list(LENGTHS.values())
    assert (store.sample_rate, store.unreadable) == (RATE, {})
    rows = np.array([4, 2, 0, 2, 1, 3, 4])
    starts = np.array([0, 900, 499, 0, 0, 10, 100])
    for size in (1, 200, 5_000):
        x = store.read(rows, starts, size)
        assert x.shape == (7, size)
        assert x.dtype == np.float32
        for got, row, start in zip(x, rows, starts, strict=True):
            expected = clip(store.clip_ids[row])[start : start + size]
            np.testing.assert_allclose(got[: len(expected)], expected, rtol=0, atol=1 / 65536)
            assert not got[len(expected) :].any()


def test_a_copy_in_another_process_is_the_same_file(store):
    sent = pickle.dumps(store)
    assert len(sent) < 1_000
    rows, starts = np.arange(5), np.zeros(5, np.int64)
    copy = pickle.loads(sent)
    np.testing.assert_array_equal(copy.read(rows, starts, 99), store.read(rows, starts, 99))


def test_samples_cannot_be_changed_through_the_store(store):
    with pytest.raises(ValueError, match="read-only"):
        store._samples[0] = 1


def test_the_fingerprint_is_of_the_samples(store, tmp_path):
    def changed(name):
        samples = clip(name).copy()
        samples[-1] = -samples[-1] if name == "d" else samples[-1]
        return samples

    again = build_store(tmp_path / "elsewhere", list(LENGTHS), clip, RATE, num_workers=1)
    assert again.fingerprint == store.fingerprint == pickle.loads(pickle.dumps(store)).fingerprint
    others = [
        build_store(tmp_path / "changed", list(LENGTHS), changed, RATE, num_workers=1),
        build_store(tmp_path / "faster", list(LENGTHS), clip, 2 * RATE, num_workers=1),
        store.only(["a", "c"]),
        store.only(["c", "a"]),
        store.only(list(LENGTHS)[::-1]),
    ]
    assert len({sound.fingerprint for sound in [store, *others]}) == 6


def test_a_store_that_exists_is_opened_and_not_built(store):
    def refuse(name):
        raise AssertionError("decoded again")

    again = build_store(store.folder, list(LENGTHS), refuse, RATE)
    assert again.clip_ids == store.clip_ids
    names = sorted(path.name for path in store.folder.iterdir())
    assert names == ["index.json", "samples.i16", "verified.json"]


def test_a_flipped_bit_is_found_and_its_clip_named(store):
    store.verify()
    with (store.folder / "samples.i16").open("r+b") as file:
        file.seek(2 * (500 + 1 + 700))
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 0x10]))
    with pytest.raises(
        InputError, match="1 of 5 clips differ from what was written, the first is c;"
    ):
        ClipStore.open(store.folder).verify()


def damage_samples_short(folder):
    os.truncate(folder / "samples.i16", 2 * sum(LENGTHS.values()) - 1)


def damage_samples_long(folder):
    with (folder / "samples.i16").open("ab") as file:
        file.write(b"0")


def damage_samples_missing(folder):
    (folder / "samples.i16").unlink()


def damage_index_cut(folder):
    os.truncate(folder / "index.json", 40)


def damage_index_bytes(folder):
    (folder / "index.json").write_bytes(bytes(range(256)))


def damage_index_other(folder):
    (folder / "index.json").write_text('{"version": 1}')


def damage_index_missing(folder):
    (folder / "index.json").unlink()


def damage_version(folder):
    text = (folder / "index.json").read_text()
    (folder / "index.json").write_text(text.replace('"version": 1', '"version": 2'))


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (damage_samples_short, "has 4131 bytes instead of 4132"),
        (damage_samples_long, "has 4133 bytes instead of 4132"),
        (damage_samples_missing, "has 0 bytes instead of 4132"),
        (damage_index_cut, "index of the clip store .* is damaged"),
        (damage_index_bytes, "index of the clip store .* is damaged"),
        (damage_index_other, "index of the clip store .* is damaged"),
        (damage_index_missing, "is not a clip store: it has no index.json"),
        (damage_version, "has version 2, but musicssl reads version 1"),
    ],
)
def test_a_damaged_store_is_refused_when_opened(store, damage, cause):
    damage(store.folder)
    with pytest.raises(InputError, match=cause) as caught:
        ClipStore.open(store.folder)
    assert str(caught.value).endswith("prepare it again (--prepare).")
    assert str(store.folder) in str(caught.value)


def test_clips_that_cannot_be_decoded_are_reported(tmp_path):
    def decode(name):
        if name == "bad":
            raise UnreadableAudioError(tmp_path / name, "is too loud")
        return np.zeros(0 if name == "none" else 5, np.float32)

    store = build_store(tmp_path / "store", ["bad", "good", "none"], decode, RATE, num_workers=1)
    assert store.clip_ids == ("good",)
    assert store.unreadable == {"bad": "is too loud", "none": "holds no samples"}
