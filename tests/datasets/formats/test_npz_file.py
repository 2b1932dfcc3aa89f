import pickle
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from musicssl.datasets.formats.embeddings_file import read_npz, write_npz
from musicssl.errors import InputError

NAMES = frozenset({"embeddings", "clip_ids"})


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_numpy_reads_what_is_written():
    arrays = {"embeddings": np.arange(6.0).reshape(2, 3), "clip_ids": np.array(["ä", "b"])}
    file = BytesIO()
    write_npz(file, arrays)
    file.seek(0)
    with np.load(file, allow_pickle=False) as npz:
        assert sorted(npz.files) == ["clip_ids", "embeddings"]
        for name, array in arrays.items():
            np.testing.assert_array_equal(npz[name], array)


def test_arrays_of_other_names_are_left_unread_even_if_they_are_pickles(tmp_path):
    arrays = {"embeddings": np.ones((2, 3)), "notes": np.array([{"a": 1}], object)}
    np.savez_compressed(tmp_path / "h.npz", **arrays)
    assert read_npz(tmp_path / "h.npz", NAMES).keys() == {"embeddings"}


def test_nothing_is_unpickled(tmp_path):
    trap = tmp_path / "executed"
    np.savez(tmp_path / "a.npz", clip_ids=np.array([Evil(trap)], object))
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Evil(trap)))
    for name in ("a.npz", "b.npz"):
        with pytest.raises(InputError, match=r"cannot be read as \.npz .*dtype str"):
            read_npz(tmp_path / name, NAMES)
    assert not trap.exists()


def test_one_array_under_the_name_of_several_is_refused(tmp_path):
    np.save(tmp_path / "h.npy", np.ones(3))
    (tmp_path / "h.npy").rename(tmp_path / "h.npz")
    with pytest.raises(InputError, match=r"cannot be read as \.npz"):
        read_npz(tmp_path / "h.npz", NAMES)


@pytest.mark.parametrize("data", [b"clip_ids,embedding\na,1\n", pickle.dumps([1]), b""])
def test_a_file_of_another_kind_is_not_taken_for_a_pickle(tmp_path, data):
    (tmp_path / "h.npz").write_bytes(data)
    with pytest.raises(
        InputError, match=r"as \.npz \(it is truncated or of another format\)"
    ) as said:
        read_npz(tmp_path / "h.npz", NAMES)
    assert "allow_pickle" not in str(said.value)


def test_an_array_of_objects_is_named_as_such(tmp_path):
    np.savez(tmp_path / "h.npz", clip_ids=np.array(["a", "b"], object))
    with pytest.raises(InputError, match="an array in it is damaged or contains objects") as said:
        read_npz(tmp_path / "h.npz", NAMES)
    assert "allow_pickle" not in str(said.value)


def test_a_compression_that_there_is_not_is_said(tmp_path):
    np.savez(tmp_path / "h.npz", embeddings=np.ones((4, 3)))
    data = bytearray((tmp_path / "h.npz").read_bytes())
    data[data.index(b"PK\x01\x02") + 10] = 77  # the method, in the directory of the archive
    (tmp_path / "h.npz").write_bytes(data)
    with pytest.raises(InputError, match="That compression method is not supported"):
        read_npz(tmp_path / "h.npz", NAMES)


def test_a_flipped_bit_is_noticed(tmp_path):
    np.savez(tmp_path / "h.npz", embeddings=np.ones((40, 10)))
    data = bytearray((tmp_path / "h.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "h.npz").write_bytes(data)
    with pytest.raises(InputError, match="CRC"):
        read_npz(tmp_path / "h.npz", NAMES)
