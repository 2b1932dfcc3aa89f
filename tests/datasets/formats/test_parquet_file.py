import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from musicssl.datasets.formats.embeddings_file import read_parquet, write_parquet
from musicssl.errors import InputError

NAMES = frozenset({"embeddings", "clip_ids", "targets", "mask", "split", "classes", "task"})
H = np.arange(6, dtype=np.float32).reshape(3, 2)


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
    read = read_parquet(path, NAMES)
    assert read.keys() == {"embeddings", "clip_ids"}
    np.testing.assert_array_equal(read["embeddings"], H)
    assert read["clip_ids"].tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("kind", [pa.list_, lambda of: pa.list_(of, 2)])
def test_what_is_read_is_writable_as_torch_wants_it(tmp_path, kind):
    lists, ids = pa.array(H.tolist(), kind(pa.float32())), pa.array([3, 1, 2])
    mask = pa.array([[True], [False], [True]])
    path = written(tmp_path / "h.parquet", embedding=lists, targets=lists, clip_id=ids, mask=mask)
    read = read_parquet(path, NAMES)
    assert read.keys() == {"embeddings", "targets", "clip_ids", "mask"}
    for array in read.values():
        assert array.flags.writeable  # torch warns once in a process only
        torch.from_numpy(array)[0] = 0
        assert not array[0].any()


def test_names_may_be_numbers(tmp_path):
    path = written(tmp_path / "h.parquet", clip_id=pa.array([3, 1, 2]))
    assert read_parquet(path, NAMES)["clip_ids"].tolist() == [3, 1, 2]


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
        read_parquet(path, NAMES)


@pytest.mark.parametrize("about", [b"{", b'{"classes": [[1], [1, 2]]}', b"\xff"])
def test_damaged_metadata_are_refused(tmp_path, about):
    table = pa.table({"clip_id": ["a"]}).replace_schema_metadata({b"musicssl": about})
    pq.write_table(table, tmp_path / "h.parquet")
    with pytest.raises(InputError, match=r"cannot be read as \.parquet"):
        read_parquet(tmp_path / "h.parquet", NAMES)
