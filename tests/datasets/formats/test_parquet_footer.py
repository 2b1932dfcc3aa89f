import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from musicssl.datasets.formats.parquet_footer import count_values


def by_pyarrow(path):
    about = pq.read_metadata(path)
    groups = map(about.row_group, range(about.num_row_groups))
    return sum(g.column(index).num_values for g in groups for index in range(about.num_columns))


@pytest.mark.parametrize("rows", [1, 7, 20_000])
@pytest.mark.parametrize("group", [3, 100_000])
def test_values_are_counted_as_pyarrow_counts_them(tmp_path, rows, group):
    rows = min(rows, 50 * group)
    table = pa.table(
        {
            "name": [f"{row}é" for row in range(rows)],
            "h": [[[0.5, float(row)]] * (row % 3) for row in range(rows)],
            "known": [row % 2 == 0 or None for row in range(rows)],
            "pair": [{"a": row, "b": row / 3} for row in range(rows)],
        }
    ).replace_schema_metadata({"musicssl": "{}", "other": "x" * 300})
    pq.write_table(table, tmp_path / "h.parquet", row_group_size=group, write_page_index=True)
    assert count_values(tmp_path / "h.parquet") == by_pyarrow(tmp_path / "h.parquet") >= 4 * rows


def test_a_footer_that_is_cut_or_missing_is_refused(tmp_path):
    path = tmp_path / "h.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), path)
    whole = path.read_bytes()
    length = int.from_bytes(whole[-8:-4], "little")
    for data in (b"", whole[:-1], whole[:-8] + b"\xff\xff\xff\x7fPAR1"):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="it has no footer"):
            count_values(path)
    path.write_bytes(whole[: -8 - length] + whole[-8 - length : -18] + whole[-8:])
    with pytest.raises(ValueError, match="footer"):
        count_values(path)
