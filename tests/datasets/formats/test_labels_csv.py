import shlex
from unicodedata import normalize

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from musicssl.datasets.base.options import typed_list
from musicssl.datasets.formats.labels_csv import (
    LabelTable,
    check_one_label,
    choose_classes,
    read_label_table,
    targets,
)
from musicssl.errors import InputError

LABELS = LabelTable({"a": ("flute", "cello"), "b": (), "c": ("voice",)})


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "audio"
    for name in ("a.wav", "b.wav", "b/c.mp3", "b, c.wav", "é/b.wav", "7.ogg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.fixture
def read(tmp_path, root):
    def read_text(text, *extra_columns, encoding="utf-8", **settings):
        file = tmp_path / "labels.csv"
        file.write_bytes(text.encode(encoding))
        return read_label_table(file, root, extra_columns, **settings)

    return read_text


def test_one_class_per_file_and_all_columns(read):
    table = read("path,label,group,split,fold\na.wav,cello,x,train,0\nb/c.mp3, flute ,,test,1\n")
    assert table.labels == {"a.wav": ("cello",), "b/c.mp3": ("flute",)}
    assert table.group == {"a.wav": "x", "b/c.mp3": ""}
    assert table.split == {"a.wav": "train", "b/c.mp3": "test"}
    assert table.fold == {"a.wav": "0", "b/c.mp3": "1"}


def test_several_classes_empty_cells_quotes_and_blank_lines(read):
    table = read('labels,path\r\ncello; flute;,a.wav\r\n\r\n,"b, c.wav"\r\n')
    assert table.labels == {"a.wav": ("cello", "flute"), "b, c.wav": ()}
    assert table.split is table.group is table.fold is None


def test_a_byte_order_mark_and_other_spellings_of_a_path_are_tolerated(read):
    table = read("path,label\n./é//b.wav,cello\n", encoding="utf-8-sig")
    assert table.labels == {"é/b.wav": ("cello",)}


def test_extra_columns_are_left_unread_known_ones_too(read):
    text = "path,label,split,licence\na.wav,cello,nonsense,CC0\n"
    assert read(text, "licence", "split", "absent").split is None


PLAIN = {"a.wav": ("cello",), "b.wav": ("flute",)}


@pytest.mark.parametrize(
    "text",
    [
        "path;label\na.wav;cello\nb.wav;flute\n",
        "path\tlabel\na.wav\tcello\nb.wav\tflute\n",
        "path|label\na.wav|cello\nb.wav|flute\n",
        "sep=,\npath,label\na.wav,cello\nb.wav,flute\n",
        "sep=;\r\npath;label\r\na.wav;cello\r\nb.wav;flute\r\n",
        '"sep=^"\npath^label\na.wav^cello\nb.wav^flute\n',
        "# my labels, of May\n\n#\npath,label\na.wav,cello\nb.wav,flute\n",
        "path,label\na.wav,cello\n,\nb.wav,flute\n,\n,\n",
        "path,label\na.wav,cello\nb.wav,flute\n   \n",
        "path,label\na.wav,cello\nb.wav,flute\n , \n\t",
        ",path,label\n0,a.wav,cello\n1,b.wav,flute\n",
        "path,label,\na.wav,cello,\nb.wav,flute,\n",
        "path,label,\na.wav,cello\nb.wav,flute\n",
        "path,label\na.wav,cello,,\nb.wav,flute\n",
        "path,,label,,\na.wav,,cello,x,\nb.wav,,flute,,\n",
        "path,label\ra.wav,cello\rb.wav,flute\r",
        "path,label\n./a.wav,cello\n.\\b.wav,flute\n",
        "#,path,label\n1,a.wav,cello\n2,b.wav,flute\n",
    ],
)
def test_a_table_is_read_as_people_save_it(read, text):
    assert read(text, "#").labels == PLAIN


def test_the_numbers_of_lines_are_those_of_the_file(read):
    text = "sep=;\n# of May\npath;label\n;\na.wav;cello\na.wav;flute\n"
    with pytest.raises(InputError, match=r"line 6: path 'a\.wav' is already in line 5"):
        read(text)


def test_columns_may_have_other_names(read):
    text = "filename,instrument,artist,part,cv\na.wav,cello,x,train,0\n"
    names = {"path": "filename", "label": "instrument", "group": "artist", "split": "part"}
    table = read(text, columns=names | {"fold": "cv", "labels": None})
    assert table.labels == {"a.wav": ("cello",)}
    assert (table.group, table.split, table.fold) == (
        {"a.wav": "x"},
        {"a.wav": "train"},
        {"a.wav": "0"},
    )


def test_a_named_column_goes_before_that_of_the_usual_name(read):
    text = "path,label,labels\na.wav,string,cello;solo\n"
    assert read(text, "label", columns={"labels": "labels"}).labels == {"a.wav": ("cello", "solo")}
    assert read(text, "labels", columns={"label": "label"}).labels == {"a.wav": ("string",)}
    with pytest.raises(InputError, match=r"unknown column 'label'.*extra_columns=\[label\]"):
        read(text, columns={"labels": "labels"})
    one = "path,labels\na.wav,cello\n"
    assert read(one, columns={"label": "labels"}).labels == {"a.wav": ("cello",)}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"path": "file"}, r"no column 'file' \(dataset\.columns\.path\) \(did you mean 'files'"),
        ({"name": "files"}, r"there is no setting dataset\.columns\.name; use one of path"),
        (
            {"path": "path", "group": "rate"},
            r"extra_columns names 'rate', which dataset\.columns\.g",
        ),
    ],
)
def test_a_name_of_no_column_is_refused(read, columns, message):
    with pytest.raises(InputError, match=message):
        read("files,path,label,rate\na.wav,a.wav,cello,1\n", "rate", columns=columns)


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("fname,label\na.wav,cello\n", "dataset.columns.path=fname"),
        ("File Name;label\na.wav;cello\n", "dataset.columns.path=NAME"),
        ("path,Instrument\na.wav,cello\n", "dataset.columns.label=Instrument"),
        ("path,pitch\na.wav,cello\n", "dataset.columns.label=NAME"),
    ],
)
def test_what_a_missing_column_is_called_can_be_typed(read, text, setting):
    with pytest.raises(InputError, match=f"its columns are .*{setting}"):
        read(text)


UNKNOWN = ["fsID", "freesound id", "start,end", "[db]", "7", "null", 'a "b"', "it's", "Länge"]


def test_all_unknown_columns_are_named_at_once_as_they_can_be_typed(read):
    cells = [f'"{name.replace(chr(34), 2 * chr(34))}"' for name in UNKNOWN]
    text = f"path,label,{','.join(cells)},\na.wav,cello{',1' * len(UNKNOWN)},\n"
    with pytest.raises(InputError) as caught:
        read(text)
    typed = str(caught.value).rpartition(" with ")[2].removesuffix(".")
    [word] = shlex.split(typed)
    override = OverridesParser.create().parse_override(word)
    names = [getattr(name, "text", name) for name in override.value()]
    assert names == UNKNOWN
    assert word == f"dataset.extra_columns={typed_list(UNKNOWN)}"
    assert read(text, *names).labels == {"a.wav": ("cello",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("path,label\n", "has no rows"),
        ("# nothing\n", "has no rows"),
        ("file,label\na.wav,cello\n", "has no column 'path'"),
        ("My labels\npath,label\na.wav,cello\n", "no column 'path'; its columns are My labels"),
        ("path,label,spilt\na.wav,cello,test\n", r"unknown column 'spilt' \(did you mean 'split'"),
        ("path,label,rate\na.wav,cello,1\n", r"dataset\.extra_columns=\[rate\]"),
        ("path,label,label\na.wav,cello,cello\n", "two columns 'label'"),
        ("path,label,labels\na.wav,cello,cello\n", "both columns 'label' and 'labels'"),
        ("path,split\na.wav,test\n", "no column of labels"),
        ("path,label\na.wav\n", "line 2: 1 cells, but the header has 2"),
        (
            "path,label\na.wav,cello,flute\n",
            "line 2: 3 cells, but the header has 2; .* with commas",
        ),
        ("path;labels\na.wav;cello;flute\n", "line 2: 3 cells.*with semicolons"),
        ("path,label\na.wav,cello\n\n./a.wav,flute\n", r"line 4: path '\./a\.wav' is already in"),
        ("path,label\na.wav,cello\na,flute\n", r"line 3: path 'a' is already in line 2"),
        ("path,label\n../a.wav,cello\n", "line 2: path '../a.wav' is not inside the root"),
        ("path,label\nx/../../a.wav,cello\n", "is not inside the root"),
        ("path,label\n/etc/a.wav,cello\n", "is not inside the root"),
        ("path,label\n,cello\n", "is not inside the root"),
        ("path,label,split\na.wav,cello,valid\n", r"unknown split 'valid' \(did you mean 'val'"),
        ("path,label,split\na.wav,cello,\n", "unknown split ''"),
        ('path,label\n"a.wav"x,cello\n', "line 2, is not a row of a CSV table"),
        ('path,label\n"a.wav,cello\n', "is not a row of a CSV table"),
        (
            "path,label\na.wav,cello;flute\n",
            r"'cello;flute' is not one class.*columns\.labels=label",
        ),
        ("path,label\na.wav,\"['cello', 'flute']\"\n", r"is not one class.*columns\.labels=label"),
        ("version https://git-lfs.github.com/spec/v1\n", "is a git-LFS pointer"),
    ],
)
def test_a_malformed_table_is_refused_in_one_sentence(read, tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(text)
    assert str(caught.value).startswith(str(tmp_path / "labels.csv"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_table_that_is_not_utf8_is_refused(read, encoding):
    with pytest.raises(InputError, match="is not UTF-8"):
        read("path,label\né.wav,cello\n", encoding=encoding)


def test_an_absent_table_is_reported(tmp_path):
    with pytest.raises(InputError, match=r"no table of labels at .*labels\.csv; give data\.labels"):
        read_label_table(tmp_path / "labels.csv", tmp_path)


def test_files_that_do_not_exist_are_named(read):
    with pytest.raises(InputError, match=r"1 of the 2 files .*: x\.wav; correct the paths"):
        read("path,label\nx.wav,cello\na.wav,cello\n")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_in_both_unicode_forms_are_one_class(read, form):
    text = "path,label\na.wav,{}\nb.wav,{}\n".format(
        *(normalize(f, "café") for f in ("NFC", "NFD"))
    )
    table = read(text)
    assert set(table.labels.values()) == {(normalize("NFC", "café"),)}
    assert choose_classes(table, [normalize(form, "café")]) == (normalize("NFC", "café"),)


def test_classes_are_sorted_or_as_chosen():
    assert choose_classes(LABELS, None) == ("cello", "flute", "voice")
    assert choose_classes(LABELS, ["voice", "cello"]) == ("voice", "cello")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["cello", "flut"], r"no file is labelled 'flut' \(did you mean 'flute'\?\)"),
        (["cello", "cello"], "names a class twice"),
    ],
)
def test_an_invalid_class_is_refused(chosen, message):
    with pytest.raises(InputError, match=message):
        choose_classes(LABELS, chosen)


def test_a_labelled_clip_is_observed_for_every_class_and_no_other_is():
    y, mask = targets(LABELS, ["d", "c", "b", "a"], ("cello", "flute"))
    np.testing.assert_array_equal(y, np.array([[0, 0], [0, 0], [0, 0], [1, 1]], np.float32))
    np.testing.assert_array_equal(mask, [[False] * 2, [True] * 2, [False] * 2, [True] * 2])


def test_in_a_corpus_of_one_class_each_a_file_of_another_class_is_unlabelled():
    table = LabelTable({"a": ("flute",), "b": (), "c": ("voice",)})
    y, mask = targets(table, ["a", "b", "c"], ("cello", "flute"), "multi_class")
    assert y.tolist() == [[0, 1], [0, 0], [0, 0]]
    assert mask.tolist() == [[True] * 2, [False] * 2, [False] * 2]


def test_several_labels_are_not_one_class():
    check_one_label(LabelTable({"a": ("flute",), "b": ()}))
    with pytest.raises(InputError, match=r"but a has 2: flute, cello \(such files: 1\)"):
        check_one_label(LABELS)
