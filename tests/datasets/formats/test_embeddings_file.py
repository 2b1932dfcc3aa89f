import errno
import json
import pickle
import tracemalloc
import zipfile
from dataclasses import fields, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from musicssl.data.corpus import Corpus
from musicssl.datasets.formats import embeddings_file as module
from musicssl.datasets.formats.embeddings_file import (
    SavedEmbeddings,
    read_embeddings,
    read_npz,
    save_embeddings,
    saved_embeddings,
    write_npz,
)
from musicssl.datasets.formats.embeddings_parquet import read_parquet, write_parquet
from musicssl.errors import InputError

suffixes = pytest.mark.parametrize("suffix", [".npz", ".parquet"])
PATH = Path("h.npz")
SAVED_NAMES = np.array(["a", "b", "c"])
NAMES = frozenset({"embeddings", "clip_ids"})
PARQUET_NAMES = frozenset({"embeddings", "clip_ids", "targets", "mask", "split", "classes", "task"})
H = np.arange(6, dtype=np.float32).reshape(3, 2)


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
def test_saved_arrays_are_read_bit_identically(tmp_path, suffix):
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
    others = {"task", "lengths", "times", "layers", "widths"}  # see test_embeddings_writer.py
    assert expected.keys() | others == {field.name for field in fields(SavedEmbeddings)}
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
def test_a_folder_that_is_not_there_is_reported(tmp_path, suffix):
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
def test_no_file_is_reported(tmp_path, suffix):
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


def arrays(**changes):
    whole = {
        "embeddings": np.arange(6.0).reshape(3, 2),
        "clip_ids": SAVED_NAMES,
        "targets": np.eye(3, 4),
        "mask": np.ones((3, 4), bool),
        "split": np.array(["train", "val", "test"]),
        "classes": np.array(list("wxyz")),
        "task": np.array("multi_label"),
        "groups": SAVED_NAMES,
        "credit": np.eye(4),
    }
    return {name: a for name, a in (whole | changes).items() if a is not None}


def test_numbers_become_float32_and_names_text():
    halves = np.arange(6, dtype=np.float16).reshape(3, 2)
    saved = saved_embeddings(PATH, arrays(embeddings=halves, clip_ids=np.array([7, 8, 9])))
    assert saved.embeddings.dtype == saved.targets.dtype == saved.credit.dtype == np.float32
    np.testing.assert_array_equal(saved.embeddings, halves)
    assert saved.clip_ids.tolist() == ["7", "8", "9"]
    assert saved.task == "multi_label"


def test_embeddings_and_names_are_enough_and_other_names_are_ignored():
    whole = arrays()
    few = {name: whole[name] for name in ("embeddings", "clip_ids")} | {"notes": np.ones(9)}
    saved = saved_embeddings(PATH, few)
    assert saved.targets is saved.mask is saved.split is saved.classes is saved.task is None
    assert saved.groups is saved.credit is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embeddings": None}, r"h\.npz has no 'embeddings'"),
        ({"clip_ids": None}, r"h\.npz has no 'clip_ids'.*the name of each clip"),
        ({"embeddings": np.ones(3)}, r"shape \(3,\); give each clip one vector"),
        ({"embeddings": np.ones((3, 1, 1, 1, 2))}, r"shape \(3, 1, 1, 1, 2\); give each clip"),
        ({"embeddings": np.ones((0, 2))}, r"shape \(0, 2\); give each clip one vector"),
        ({"embeddings": np.array([["a"]])}, "embeddings is <U1; make it float32"),
        ({"embeddings": np.ones((4, 2))}, r"clip_ids has shape \(3,\), but .* need \(4,\)"),
        ({"targets": np.ones((2, 4))}, r"targets has shape \(2, 4\), but .* need \(3, 4\)"),
        ({"mask": np.ones((3, 3), bool)}, r"mask has shape \(3, 3\), but .* need \(3, 4\)"),
        ({"mask": np.ones((3, 4))}, "mask is float64; make it bool"),
        ({"split": np.array(["train"])}, r"split has shape \(1,\), but .* need \(3,\)"),
        ({"split": np.array([1.0, 2, 3])}, "split is float64; make it text"),
        ({"classes": np.array(["w"])}, r"targets has shape \(3, 4\), but .* need \(3, 1\)"),
        ({"classes": np.array("w")}, r"targets has shape \(3, 4\), but .* need \(3, 0\)"),
        ({"credit": np.eye(3)}, r"credit has shape \(3, 3\), but .* need \(4, 4\)"),
        ({"groups": SAVED_NAMES[:2]}, r"groups has shape \(2,\), but .* need \(3,\)"),
        ({"clip_ids": np.array(["a", "b", "a"])}, "clip 'a' occurs twice"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        saved_embeddings(PATH, arrays(**changes))


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e39])
def test_an_embedding_that_float32_cannot_hold_names_its_clip(value):
    embeddings = np.ones((3, 2))
    embeddings[1, 1] = value
    with pytest.raises(InputError, match="embedding of clip 'b' is NaN or infinite, or too large"):
        saved_embeddings(PATH, arrays(embeddings=embeddings))


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


def test_an_unknown_compression_is_reported(tmp_path):
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


def written(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def test_a_row_is_a_clip_for_whoever_reads_it(tmp_path):
    path = tmp_path / "h.parquet"
    mask = np.array([[True], [False], [True]])
    arrays = {"embeddings": H, "clip_ids": np.array(["a", "ä", "c"]), "mask": mask}
    arrays |= {"classes": np.array(["x"]), "task": np.array("multi_label")}
    with path.open("wb") as file:
        write_parquet(file, arrays)
    table = pq.read_table(path)
    assert table.to_pylist() == [
        {"clip_id": name, "embedding": row, "mask": observed}
        for name, row, observed in zip(["a", "ä", "c"], H.tolist(), mask.tolist(), strict=True)
    ]
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 2)
    about = json.loads(table.schema.metadata[b"musicssl"])
    assert about == {"classes": ["x"], "task": "multi_label"}


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list, lambda of: pa.list_(of, 2)])
@pytest.mark.parametrize("number", [pa.float32(), pa.float64()])
def test_lists_of_other_writers_are_read(tmp_path, kind, number):
    lists = pa.array(H.tolist(), kind(number))
    chunks = pa.chunked_array([lists[:1], lists[1:]])
    ids = pa.array(["a", "b", "c"])
    path = written(tmp_path / "h.parquet", embedding=chunks, clip_id=ids, tempo=pa.array([1, 2, 3]))
    read = read_parquet(path, PARQUET_NAMES)
    assert read.keys() == {"embeddings", "clip_ids"}
    np.testing.assert_array_equal(read["embeddings"], H)
    assert read["clip_ids"].tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("kind", [pa.list_, lambda of: pa.list_(of, 2)])
def test_arrays_are_writable_as_torch_needs_them(tmp_path, kind):
    lists, ids = pa.array(H.tolist(), kind(pa.float32())), pa.array([3, 1, 2])
    mask = pa.array([[True], [False], [True]])
    path = written(tmp_path / "h.parquet", embedding=lists, targets=lists, clip_id=ids, mask=mask)
    read = read_parquet(path, PARQUET_NAMES)
    assert read.keys() == {"embeddings", "targets", "clip_ids", "mask"}
    for array in read.values():
        assert array.flags.writeable  # torch warns once in a process only
        torch.from_numpy(array)[0] = 0
        assert not array[0].any()


def test_names_may_be_numbers(tmp_path):
    path = written(tmp_path / "h.parquet", clip_id=pa.array([3, 1, 2]))
    assert read_parquet(path, PARQUET_NAMES)["clip_ids"].tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("cells", "size", "message"),
    [
        ([[1.0, 2.0], [3.0]], -1, "lists of 'embedding' differ in length"),
        ([[1.0, 2.0], None], -1, "'embedding' has empty cells"),
        ([[1.0, 2.0], None], 2, "'embedding' has empty cells"),
        ([[1.0, 2.0], [3.0, None]], -1, "'embedding' has empty cells"),
        ([[1.0, 2.0], [3.0, None]], 2, "'embedding' has empty cells"),
    ],
)
def test_lists_with_holes_are_refused(tmp_path, cells, size, message):
    path = written(tmp_path / "h.parquet", embedding=pa.array(cells, pa.list_(pa.float32(), size)))
    with pytest.raises(InputError, match=message):
        read_parquet(path, PARQUET_NAMES)


@pytest.mark.parametrize("about", [b"{", b'{"classes": [[1], [1, 2]]}', b"\xff"])
def test_damaged_metadata_are_refused(tmp_path, about):
    table = pa.table({"clip_id": ["a"]}).replace_schema_metadata({b"musicssl": about})
    pq.write_table(table, tmp_path / "h.parquet")
    with pytest.raises(InputError, match=r"cannot be read as \.parquet"):
        read_parquet(tmp_path / "h.parquet", PARQUET_NAMES)


def npz_with(tmp_path, header, content=b"", compressed=False):
    """Write an archive in which the embeddings have a header of ours."""
    names = np.array(["a", "b"])
    whole = BytesIO()
    np.lib.format.write_array(whole, names)
    path = tmp_path / "h.npz"
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("clip_ids.npy", whole.getvalue())
        text = header.encode() + b" " * (63 - (len(header) + 10) % 64) + b"\n"
        start = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little")
        archive.writestr("embeddings.npy", start + text + content)
    return path


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 8), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1000000000), }",
        "{'descr': '<U1000000000', 'fortran_order': False, 'shape': (2, 8), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 8)",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, '''",
        "(" * 400,
        "",
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_header_that_claims_more_than_there_is_is_refused(tmp_path, header, compressed):
    path = npz_with(tmp_path, header, bytes(64), compressed)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"h\.npz cannot be read as \.npz"):
        read_embeddings(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_header_that_is_right_is_read(tmp_path):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 8), }"
    x = np.arange(16, dtype=np.float32)
    read = read_embeddings(npz_with(tmp_path, header, x.tobytes(), compressed=True))
    np.testing.assert_array_equal(read.embeddings, x.reshape(2, 8))


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([[["a"]], [["b"]]]), "'embedding' holds string; write numbers"),
        (pa.array([b"a", b"b"]), "'embedding' holds binary"),
        (pa.array([{"a": 1.0}, {"a": 2.0}]), "'embedding' holds struct"),
    ],
)
def test_a_column_of_another_kind_is_named(tmp_path, column, said):
    path = tmp_path / "h.parquet"
    pq.write_table(pa.table({"clip_id": ["a", "b"], "embedding": column}), path)
    with pytest.raises(InputError, match=said):
        read_embeddings(path)


def test_names_that_would_fill_the_memory_are_refused(tmp_path):
    path = tmp_path / "h.parquet"
    names = pa.DictionaryArray.from_arrays(
        np.arange(20_000, dtype=np.int32) % 2, ["a", "b" * 50_000]
    )
    h = pa.array(np.zeros((20_000, 1)).tolist(), pa.list_(pa.float32()))
    pq.write_table(pa.table({"clip_id": names, "embedding": h}), path)
    assert path.stat().st_size < 200_000  # 4 GB as numpy has text
    with pytest.raises(InputError, match="20,000 cells of up to 50,000 characters"):
        read_embeddings(path)


def test_metadata_nested_too_deep_are_refused(tmp_path):
    path = tmp_path / "h.parquet"
    table = pa.table({"clip_id": ["a"], "embedding": [[1.0]]})
    pq.write_table(table.replace_schema_metadata({b"musicssl": b"[" * 100_000}), path)
    with pytest.raises(InputError, match=r"h\.parquet cannot be read as \.parquet"):
        read_embeddings(path)
