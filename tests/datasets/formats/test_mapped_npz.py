"""Oracles: numpy.load, and the bytes of the file."""

import zipfile

import numpy as np
import pytest

from musicssl.datasets.formats.embeddings_file import read_embeddings
from musicssl.datasets.formats.mapped_npz import map_array, write_array
from musicssl.errors import InputError

X = np.random.default_rng(0).standard_normal((7, 3, 5)).astype(np.float32)


def written(path, name="embeddings", **others):
    with zipfile.ZipFile(path, "w") as archive:
        for key, array in others.items():
            write_array(archive, key, array.shape, [array], array.dtype)
        write_array(archive, name, X.shape, iter(X))
    return path


def test_what_is_written_in_pieces_is_mapped_at_aligned_bytes_and_numpy_reads_it(tmp_path):
    path = written(tmp_path / "h.npz", clip_ids=np.array(["é", "abc"]))
    mapped = map_array(path, "embeddings")
    assert isinstance(mapped, np.memmap)
    assert mapped.offset % 64 == 0
    assert mapped.flags.aligned
    assert mapped.tobytes() == X.tobytes()
    with np.load(path, allow_pickle=False) as npz:
        assert npz["embeddings"].tobytes() == X.tobytes()
        assert npz["clip_ids"].tolist() == ["é", "abc"]


def test_files_of_numpy_are_mapped_too(tmp_path):
    np.savez(tmp_path / "h.npz", clip_ids=np.array(["a"]), embeddings=X)
    mapped = map_array(tmp_path / "h.npz", "embeddings")
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, X)


def test_writing_to_the_map_does_not_change_the_file(tmp_path):
    path = written(tmp_path / "h.npz")
    before = path.read_bytes()
    map_array(path, "embeddings")[:] = 0
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "array",
    [X.astype(np.float64), np.asfortranarray(X), np.zeros((0, 2), np.float32), X.astype(">f4")],
)
def test_what_lies_in_the_file_in_another_form_is_not_mapped(tmp_path, array):
    np.savez(tmp_path / "h.npz", embeddings=array)
    assert map_array(tmp_path / "h.npz", "embeddings") is None


def test_compressed_arrays_and_absent_ones_are_not_mapped(tmp_path):
    np.savez_compressed(tmp_path / "h.npz", embeddings=X)
    assert map_array(tmp_path / "h.npz", "embeddings") is None
    assert map_array(tmp_path / "h.npz", "other") is None


def test_every_flipped_byte_of_the_array_is_noticed(tmp_path):
    path = written(tmp_path / "h.npz", clip_ids=np.array(list("abcdefg")))
    assert len(read_embeddings(path).embeddings) == 7
    whole, data = path.read_bytes(), X.tobytes()
    begin = whole.index(data)
    for place in range(begin, begin + len(data), 37):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(InputError, match=r"CRC-32|is not what was"):
            read_embeddings(path)
