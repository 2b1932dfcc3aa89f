import numpy as np
import pytest

from musicssl.datasets.formats.labels_csv import (
    LabelTable,
    choose_classes,
    drawn_split,
    fold_split,
    groups_by_path,
    read_label_table,
    targets,
)
from musicssl.errors import InputError

LABELS = LabelTable({"a": ("flute", "cello"), "b": (), "c": ("voice",)})
PATHS = [f"{index:03d}.wav" for index in range(200)]
TABLE = LabelTable(
    labels={path: ("cello",) if index % 2 else () for index, path in enumerate(PATHS)},
    group={path: f"g{index // 5}" if index < 100 else "" for index, path in enumerate(PATHS)},
    fold={path: str(index % 4) for index, path in enumerate(PATHS)},
)


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


def test_an_absent_table_is_reported(tmp_path):
    with pytest.raises(InputError, match=r"no table of labels at .*labels\.csv; give data\.labels"):
        read_label_table(tmp_path / "labels.csv")


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


def test_one_fold_tests():
    split = fold_split(TABLE, 3)
    assert split == fold_split(TABLE, "3")
    assert [path for path, name in split.items() if name == "test"] == PATHS[3::4]


@pytest.mark.parametrize(
    ("table", "message"),
    [(TABLE, "use one of 0, 1, 2, 3"), (LabelTable(TABLE.labels), "needs a column 'fold'")],
)
def test_an_unknown_fold_is_refused(table, message):
    with pytest.raises(InputError, match=message):
        fold_split(table, 4)


def test_a_file_without_a_group_is_one_of_its_own():
    table = LabelTable({"a": (), "b": (), "c": ()}, group={"a": "x", "b": "x", "c": ""})
    assert groups_by_path(table, ["c", "b", "a", "d"]) == {"c": "c", "b": "x", "a": "x", "d": "d"}


def test_the_draw_keeps_groups_whole_and_takes_its_share_of_the_labelled_ones():
    split = drawn_split(TABLE, 0.15, seed=0)
    group_of = groups_by_path(TABLE, PATHS)
    test = {group_of[path] for path in PATHS if split[path] == "test"}
    train = {group_of[path] for path in PATHS if split[path] == "train"}
    assert set(split) == set(PATHS)
    assert not test & train
    labelled = {group_of[path] for path in PATHS if TABLE.labels[path]}
    assert test <= labelled
    assert len(test) == round(0.15 * len(labelled)) == 10


def test_the_draw_depends_on_the_seed_alone_and_not_on_the_order_of_rows():
    turned = LabelTable(dict(reversed(TABLE.labels.items())), group=TABLE.group)
    assert drawn_split(turned, 0.15, 0) == drawn_split(TABLE, 0.15, 0)
    assert drawn_split(TABLE, 0.15, 1) != drawn_split(TABLE, 0.15, 0)


def test_new_files_hardly_change_who_tests():
    table = LabelTable(dict.fromkeys(PATHS, ("cello",)))
    before = drawn_split(table, 0.15, 0)
    after = drawn_split(LabelTable(table.labels | {"new.wav": ("cello",)}), 0.15, 0)
    assert sum(after[path] != before[path] for path in PATHS) <= 1


@pytest.mark.parametrize("fraction", [0, 1, 15])
def test_a_share_outside_0_to_1_is_refused(fraction):
    with pytest.raises(InputError, match=r"test_fraction must lie between 0 and 1"):
        drawn_split(TABLE, fraction, 0)


def test_one_labelled_group_cannot_both_train_and_test():
    table = LabelTable({"a": ("x",), "b": ("y",), "c": ()}, group={"a": "g", "b": "g", "c": ""})
    with pytest.raises(InputError, match="a test set of 15% would leave no group"):
        drawn_split(table, 0.15, 0)
