import pytest

from musicssl.datasets.formats.tables import (
    annotation_file,
    annotation_lines,
    annotation_rows,
    annotation_text,
    columns_of,
    read_table,
)
from musicssl.errors import InputError

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:1018786\nsize 135490709\n"


@pytest.fixture
def table(tmp_path):
    def write(content):
        path = tmp_path / "table.csv"
        path.write_bytes(content)
        return path

    return write


def test_rows_come_with_the_number_of_their_last_line(table):
    path = table(b'\xef\xbb\xbfa,b\r\n\r\n1,"x, y"\r\n2,"line\nbreak",more\r\n3')
    assert list(annotation_rows(path, "get it")) == [
        (1, ["a", "b"]),
        (3, ["1", "x, y"]),
        (5, ["2", "line\nbreak", "more"]),
        (6, ["3"]),
    ]


def test_cells_may_be_separated_by_tabs(table):
    path = table(b'"a"\t"b, c"\n')
    assert list(annotation_rows(path, "get it", "\t")) == [(1, ["a", "b, c"])]


def test_a_cell_that_never_ends_is_reported(table):
    path = table(b'a,b\n1,"' + b"x" * 200_000)
    with pytest.raises(InputError, match=r"line \d of .*table\.csv is not a row .* or get it\.$"):
        list(annotation_rows(path, "get it"))


def test_a_missing_table_is_reported(tmp_path):
    with pytest.raises(InputError, match=r"table\.csv is missing"):
        list(annotation_rows(tmp_path / "table.csv", "get it"))


def test_columns_are_found_by_their_names(table):
    path = table(b"a,b,c\n1,2,3\n")
    rows = annotation_rows(path, "get it")
    assert columns_of(path, rows, ("c", "a"), "get it") == ([2, 0], 3)
    assert next(rows) == (2, ["1", "2", "3"])


@pytest.mark.parametrize("content", [b"a,b\n", b""])
def test_an_absent_column_is_reported(table, content):
    path = table(content)
    rows = annotation_rows(path, "get it")
    with pytest.raises(InputError, match=r"has no column 'c' in its first line; .* or get it"):
        columns_of(path, rows, ("a", "c") if content else ("c",), "get it")


def test_cells_are_stripped_also_of_tabs_in_quotes(table):
    path = table(b'id,"name"\r\n1,"\ta, b "\r\n\r\n2,c\r\n')
    lines = read_table(path, ("id", "name"), "get it again")
    assert [line.cells for line in lines] == [{"id": "1", "name": "a, b"}, {"id": "2", "name": "c"}]
    assert lines[1].location == f"line 4 of {path}"


def test_a_quote_between_tabs_is_a_character(table):
    lines = read_table(table(b'id\ttitle\n1\t"Heroes\n2\t12" mix\n'), ("id",), "get it again", "\t")
    assert [line.cells["title"] for line in lines] == ['"Heroes', '12" mix']


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"table\.csv has no column 'id'; .*get it again\.$"),
        (b"name\nx\n", r"table\.csv has no column 'id'"),
        (b"id,name\n1\n", r"line 2 of .*table\.csv has 1 cells, not 2; .*get it again\.$"),
        (b"id,name\n1,a,b\n", "line 2 of .* has 3 cells, not 2"),
        (b"id,name\n1,a\n1,b\n", r"line 3 of .* is the second with id '1'; .*get it again\.$"),
        (b"id\n\xff\n", "cannot be read .*utf-8.*get it again"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "is a git-LFS pointer"),
    ],
)
def test_the_fault_of_a_table_is_reported_with_its_line_and_cure(table, content, message):
    with pytest.raises(InputError, match=message):
        read_table(table(content), ("id",), "get it again", key="id")


def text_of(path):
    with annotation_file(path, "get it") as file:
        return file.read()


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_text_is_utf_8_with_or_without_a_mark_and_keeps_its_line_ends(tmp_path, start):
    path = tmp_path / "a.csv"
    path.write_bytes(start + "ü,b\r\n\tc\n".encode())
    assert text_of(path) == "ü,b\r\n\tc\n"


@pytest.mark.parametrize("text", ["a\nb", "a\nb\n", "\r\n a\t\r\n\r\nb \r\n", "\ufeffa\nb"])
def test_lines_are_numbered_and_the_last_needs_no_end(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode())
    lines = annotation_lines(path, "get it")
    assert [line for _, line in lines] == ["a", "b"]
    for number, line in lines:
        assert text.lstrip("\ufeff").split("\n")[number - 1].strip() == line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"a\.txt is missing; put it there, or get it\.$"),
        (POINTER.encode(), r"a\.txt is a git-LFS pointer, .*`git lfs pull` .*, or get it\.$"),
        (b"\xff\xfe\x00", r"a\.txt cannot be read \(.*utf-8.*\); replace it, or get it\.$"),
        (b" \n\n", r"a\.txt is empty; replace it, or get it\.$"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(tmp_path, content, message):
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        annotation_lines(path, "get it")


def test_a_folder_in_place_of_a_file_is_reported(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        text_of(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfid\n")
    assert annotation_text(path, "get it") == "id\n"
