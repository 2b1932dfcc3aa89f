"""Sound in several files. Oracle: the same clips in one clip store."""

import json
import math
import pickle

import fsspec
import numpy as np
import pytest

from musicssl.audio.shard_index import Place
from musicssl.audio.shards import ShardedSound
from musicssl.audio.shards_writing import write_shards
from musicssl.audio.store import build_store
from musicssl.errors import InputError

RATE = 8_000
LENGTHS = [500, 1, 1_200, 64, 301, 900, 700]
KB = 1e-3  # megabytes


def clip(name):
    samples = np.random.default_rng(int(name)).uniform(-1, 1, LENGTHS[int(name)])
    return samples.astype(np.float32)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store") / "store"
    return build_store(folder, [str(row) for row in range(len(LENGTHS))], clip, RATE, 1)


@pytest.fixture(autouse=True)
def _empty_memory():
    yield
    fsspec.filesystem("memory").store.clear()


@pytest.fixture(params=["folder", "memory"])
def url(request, tmp_path):
    return str(tmp_path / "shards") if request.param == "folder" else "memory://bucket/shards"


def write(url, store, shard_mb=2 * KB):
    return write_shards(Place.of(url), store, {"name": "seven"}, {}, shard_mb, num_workers=1)


def opened(url, cache, cache_gb=1.0):
    return ShardedSound.open(Place.of(url), cache, cache_gb)[0]


def damage(url, name, content):
    Place.of(url).files.pipe_file(Place.of(url).at(name), content)


@pytest.mark.parametrize("cache_gb", [0.0, 4e-6, 1.0])
def test_stretches_are_those_of_a_clip_store(url, store, tmp_path, cache_gb):
    index = write(url, store)
    assert [shard.clips for shard in index.shards] == [3, 2, 2]  # 2 kB each, and a clip more
    assert index.corpus == {"name": "seven"}
    sound = opened(url, tmp_path / "cache", cache_gb)
    assert sound.sample_rate == RATE
    assert sound.fingerprint == store.fingerprint
    assert sound.content() == store.content()
    np.testing.assert_array_equal(sound.lengths, store.lengths)
    rows = np.array([4, 2, 0, 6, 2, 1, 3, 5])
    starts = np.array([0, 900, 499, 3, 0, 0, 10, 100])
    for size in (1, 200, 5_000):
        np.testing.assert_array_equal(
            sound.read(rows, starts, size), store.read(rows, starts, size)
        )
    sound.verify()
    kept = list((tmp_path / "cache").rglob("*.i16"))
    if url.startswith("memory"):
        assert sum(file.stat().st_size for file in kept) <= cache_gb * 1e9
        assert len(kept) == {0.0: 0, 4e-6: 1, 1.0: 3}[cache_gb]
    else:
        assert not kept  # they are on this machine already


def test_a_copy_in_another_process_reads_the_same(url, store, tmp_path):
    write(url, store)
    sound = opened(url, tmp_path)
    rows, starts = np.arange(7), np.zeros(7, np.int64)
    expected = sound.read(rows, starts, 99)
    sent = pickle.dumps(sound)
    assert len(sent) < 3_000  # no samples
    np.testing.assert_array_equal(pickle.loads(sent).read(rows, starts, 99), expected)


def test_a_write_that_was_stopped_goes_on(url, store, monkeypatch):
    whole, written = Place.write, []

    def interrupted(place, name, content):
        if name == "shard-00001.i16" and not written.count(name):
            written.append(name)
            raise OSError("No space left on device")
        written.append(name)
        whole(place, name, content)

    monkeypatch.setattr(Place, "write", interrupted)
    with pytest.raises(InputError, match=r"cannot be written \(No space left.*same command"):
        write(url, store)
    with pytest.raises(InputError, match="there is no complete sharded store at"):
        opened(url, None)
    written.remove("shard-00000.i16")
    write(url, store)
    assert "shard-00000.i16" not in written
    assert written[-1] == "index.json"


def test_other_recordings_replace_shards(url, store, tmp_path):
    write(url, store)
    write(url, store.only(["6", "5"]))
    sound = opened(url, tmp_path)
    expected = store.read(np.array([6, 5]), np.array([0, 0]), 50)
    np.testing.assert_array_equal(sound.read(np.arange(2), np.zeros(2, int), 50), expected)


def test_a_missing_or_cut_shard_is_named(url, store, tmp_path):
    write(url, store)
    damage(url, "shard-00001.i16", b"short")
    with pytest.raises(InputError, match=r"shard-00001.i16 .* is cut: it has 5 bytes instead of"):
        opened(url, tmp_path)
    Place.of(url).files.rm(Place.of(url).at("shard-00001.i16"))
    with pytest.raises(InputError, match=r"shard-00001.i16 .* is missing; type the command"):
        opened(url, tmp_path)
    write(url, store)  # the cure
    opened(url, tmp_path).verify()


def test_a_changed_shard_is_found_when_all_is_compared(url, store, tmp_path):
    write(url, store)
    sound = opened(url, tmp_path)
    damage(url, "shard-00002.i16", bytes(3_200))
    with pytest.raises(InputError, match=r"shard-00002.i16 .* differs from what was written"):
        sound.verify()


def test_a_changed_shard_is_not_kept(store, tmp_path):
    write("memory://changed", store)
    sound = opened("memory://changed", tmp_path)
    damage("memory://changed", "shard-00002.i16", bytes(3_200))
    with pytest.raises(InputError, match=r"shard-00002.i16 .* differs from what was written"):
        sound.read(np.array([6]), np.array([0]), 10)
    assert not list(tmp_path.rglob("*.i16"))


def test_a_kept_shard_that_was_cut_is_fetched_again(store, tmp_path):
    write("memory://cut", store)
    everything = np.arange(7), np.zeros(7, np.int64), 99
    expected = opened("memory://cut", tmp_path).read(*everything)
    (first, *_) = tmp_path.rglob("*.i16")
    first.write_bytes(first.read_bytes()[:-10])
    np.testing.assert_array_equal(opened("memory://cut", tmp_path).read(*everything), expected)


def test_a_shard_that_is_gone_during_training_is_named(store, tmp_path):
    write("memory://gone", store)
    sound, kept = opened("memory://gone", tmp_path, 0), opened("memory://gone", tmp_path, 1)
    read = (np.array([6]), np.array([600]), 100)
    damage("memory://gone", "shard-00002.i16", bytes(3_100))
    with pytest.raises(InputError, match=r"shard-00002.i16 .* is cut: 100 of 200 bytes came"):
        sound.read(*read)
    Place.of("memory://gone").files.rm("/gone/shard-00002.i16")
    for reader in (sound, kept):
        with pytest.raises(InputError, match=r"cannot be read any more \(FileNotF.*continues"):
            reader.read(*read)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index.update(version=2), "has version 2 of the format"),
        (lambda index: index.update(clips_crc32=1), r"damaged \(clips.npz differs"),
        (lambda index: index["shards"].pop(), r"damaged \(its parts do not fit together"),
        (lambda index: index["shards"][0].update(samples=1), "do not fit together"),
        (lambda index: index["shards"][0].update(file="../../x.i16"), "do not fit together"),
        (lambda index: index.pop("sample_rate"), r"damaged \('sample_rate'\)"),
        (lambda index: index.update(sample_rate=math.inf), "damaged .*infinity"),
        (lambda index: index["shards"][0].update(clips=99), "damaged .*out of bounds"),
        (lambda index: index["shards"][0].update(clips=0.5), "damaged .*indices"),
    ],
)
def test_a_damaged_index_is_refused(store, tmp_path, change, message):
    url = str(tmp_path / "shards")
    write(url, store)
    index = json.loads(Place.of(url).read("index.json"))
    change(index)
    damage(url, "index.json", json.dumps(index).encode())
    with pytest.raises(InputError, match=message):
        opened(url, tmp_path)


def test_what_cannot_be_is_refused(store, tmp_path):
    with pytest.raises(InputError, match=r"nowhere://x cannot be opened .*s3://bucket"):
        Place.of("nowhere://x")
    with pytest.raises(InputError, match="--shard-mb must be a positive"):
        write(str(tmp_path), store, shard_mb=0)
    write(str(tmp_path), store)
    with pytest.raises(InputError, match=r"dataset.cache_gb must be 0 or more"):
        opened(str(tmp_path), tmp_path, -1)
