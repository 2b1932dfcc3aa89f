import errno
from dataclasses import fields, replace

import numpy as np
import pytest

from musicssl.data.corpus import Corpus
from musicssl.datasets.formats import embeddings_file as module
from musicssl.datasets.formats.embeddings_file import (
    SavedEmbeddings,
    read_embeddings,
    save_embeddings,
)
from musicssl.errors import InputError

suffixes = pytest.mark.parametrize("suffix", [".npz", ".parquet"])


def corpus(num_clips=6):
    rng = np.random.default_rng(0)
    y = rng.random((num_clips, 2)).astype(np.float32)
    mask = rng.random((num_clips, 2)) < 0.5
    y[~mask] = np.nan
    return Corpus(
        name="small",
        classes=("clef, treble", "naïve"),
        x=rng.standard_normal((num_clips, 1, 5)).astype(np.float32),
        y=y,
        mask=mask,
        split=np.array(["train", "val", "test"] * (num_clips // 3)),
        clip_ids=np.array([f"{i}/é [x], 音.mp3" for i in range(num_clips)]),
        groups=np.array(["a", "b"] * (num_clips // 2)),
        task="regression",
        credit=np.array([[1, 0.5], [0.25, 1]], np.float32),
    )


@suffixes
def test_all_that_was_saved_is_read_bit_by_bit(tmp_path, suffix):
    saved = corpus()
    save_embeddings(tmp_path / f"h{suffix}", saved)
    read = read_embeddings(tmp_path / f"h{suffix}")
    expected = {
        "embeddings": saved.x[:, 0],
        "clip_ids": saved.clip_ids,
        "targets": saved.y,
        "mask": saved.mask,
        "split": saved.split,
        "classes": np.array(saved.classes),
        "groups": saved.groups,
        "credit": saved.credit,
    }
    assert expected.keys() | {"task"} == {field.name for field in fields(SavedEmbeddings)}
    for name, array in expected.items():
        assert getattr(read, name).dtype == array.dtype, name
        assert getattr(read, name).tobytes() == array.tobytes(), name
    assert read.task == "regression"
    assert [path.name for path in tmp_path.iterdir()] == [f"h{suffix}"]


@suffixes
def test_what_a_corpus_does_not_know_is_not_in_the_file(tmp_path, suffix):
    save_embeddings(tmp_path / f"h{suffix}", replace(corpus(), groups=None, credit=None))
    read = read_embeddings(tmp_path / f"h{suffix}")
    assert read.groups is None
    assert read.credit is None


@suffixes
def test_a_failed_write_leaves_the_file_that_was_there(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"h{suffix}"
    save_embeddings(path, corpus(3 * 2))
    before = path.read_bytes()

    def full(file, arrays):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(module._WRITE, suffix, full)
    with pytest.raises(InputError, match="cannot be written: No space left on device; choose"):
        save_embeddings(path, corpus())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@suffixes
def test_a_folder_that_is_not_there_is_told(tmp_path, suffix):
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        save_embeddings(tmp_path / "absent" / f"h{suffix}", corpus())


@pytest.mark.parametrize("name", ["h.csv", "h", "h.npz.gz"])
def test_other_formats_are_refused_before_anything_is_touched(tmp_path, name):
    with pytest.raises(InputError, match=f"\\.npz or \\.parquet files, not in '{name}'"):
        save_embeddings(tmp_path / name, corpus())
    with pytest.raises(InputError, match=r"\.npz or \.parquet files"):
        read_embeddings(tmp_path / name)
    assert not list(tmp_path.iterdir())


@suffixes
def test_no_file_is_told(tmp_path, suffix):
    with pytest.raises(InputError, match=r"there is no file of embeddings .*h"):
        read_embeddings(tmp_path / f"h{suffix}")


@suffixes
def test_a_file_that_was_cut_off_or_is_another_is_refused(tmp_path, suffix):
    path = tmp_path / f"h{suffix}"
    save_embeddings(path, corpus())
    whole = path.read_bytes()
    damaged = [whole[:cut] for cut in range(0, len(whole), 97)]
    for data in [*damaged, whole[:-1], b"clip,value\na,1\n" * 20, bytes(2_000)]:
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"h\.\w+ cannot be read as "):
            read_embeddings(path)
