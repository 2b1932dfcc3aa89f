import pytest

from musicssl.datasets.formats.tables import annotation_file, annotation_lines, annotation_text
from musicssl.errors import InputError

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:1018786\nsize 135490709\n"


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


def test_a_folder_in_place_of_a_file_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        text_of(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfid\n")
    assert annotation_text(path, "get it") == "id\n"
