import pytest

from musicssl.datasets.formats.labels_csv import read_label_table
from musicssl.errors import InputError


@pytest.fixture
def write(tmp_path):
    def make(text, encoding="utf-8"):
        file = tmp_path / "labels.csv"
        file.write_bytes(text.encode(encoding))
        return file

    return make


def test_one_class_per_file_and_all_columns(write):
    table = read_label_table(
        write("path,label,group,split,fold\na.wav,cello,x,train,0\nb/c.mp3, flute ,,test,1\n")
    )
    assert table.labels == {"a.wav": ("cello",), "b/c.mp3": ("flute",)}
    assert table.group == {"a.wav": "x", "b/c.mp3": ""}
    assert table.split == {"a.wav": "train", "b/c.mp3": "test"}
    assert table.fold == {"a.wav": "0", "b/c.mp3": "1"}


def test_several_classes_empty_cells_quotes_and_blank_lines(write):
    table = read_label_table(write('labels,path\r\ncello; flute;,a.wav\r\n\r\n,"b, c.wav"\r\n'))
    assert table.labels == {"a.wav": ("cello", "flute"), "b, c.wav": ()}
    assert table.split is table.group is table.fold is None


def test_a_byte_order_mark_and_other_spellings_of_a_path_are_tolerated(write):
    table = read_label_table(write("path,label\n./é//b.wav,cello\n", "utf-8-sig"))
    assert table.labels == {"é/b.wav": ("cello",)}


def test_extra_columns_are_left_unread_known_ones_too(write):
    file = write("path,label,split,licence\na.wav,cello,nonsense,CC0\n")
    assert read_label_table(file, ["licence", "split", "absent"]).split is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("path,label\n", "has no rows"),
        ("file,label\na.wav,cello\n", "has no column 'path'"),
        ("path;label\na.wav;cello\n", "separate columns by commas"),
        ("path,label,spilt\na.wav,cello,test\n", r"unknown column 'spilt' \(did you mean 'split'"),
        ("path,label,rate\na.wav,cello,1\n", r"dataset\.extra_columns=\[rate\]"),
        ("path,label,label\na.wav,cello,cello\n", "two columns 'label'"),
        ("path,label,labels\na.wav,cello,cello\n", "both columns 'label' and 'labels'"),
        ("path,split\na.wav,test\n", "no column of labels"),
        ("path,label\na.wav\n", "line 2: 1 cells, but the header has 2"),
        ("path,label\na.wav,cello,flute\n", "line 2: 3 cells, but the header has 2"),
        ("path,label\na.wav,cello\n\n./a.wav,flute\n", r"line 4: path '\./a\.wav' is already in"),
        ("path,label\n../a.wav,cello\n", "is not inside the root"),
        ("path,label\nx/../../a.wav,cello\n", "is not inside the root"),
        ("path,label\n/etc/a.wav,cello\n", "is not inside the root"),
        ("path,label\n,cello\n", "is not inside the root"),
        ("path,label,split\na.wav,cello,valid\n", r"unknown split 'valid' \(did you mean 'val'"),
        ("path,label,split\na.wav,cello,\n", "unknown split ''"),
        ('path,label\n"a.wav"x,cello\n', "is not a CSV table"),
    ],
)
def test_a_malformed_table_is_refused_in_one_sentence(write, text, message):
    file = write(text)
    with pytest.raises(InputError, match=message) as caught:
        read_label_table(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_utf8_is_refused(write):
    with pytest.raises(InputError, match="is not UTF-8"):
        read_label_table(write("path,label\né.wav,cello\n", "latin-1"))


def test_an_absent_table_is_told(tmp_path):
    with pytest.raises(InputError, match=r"no table of labels at .*labels\.csv; give data\.labels"):
        read_label_table(tmp_path / "labels.csv")
