import pytest

from musicssl.datasets.formats.label_splits import drawn_split, fold_split, groups_by_path
from musicssl.datasets.formats.labels_csv import LabelTable
from musicssl.errors import InputError

PATHS = [f"{index:03d}.wav" for index in range(200)]
TABLE = LabelTable(
    labels={path: ("cello",) if index % 2 else () for index, path in enumerate(PATHS)},
    group={path: f"g{index // 5}" if index < 100 else "" for index, path in enumerate(PATHS)},
    fold={path: str(index % 4) for index, path in enumerate(PATHS)},
)


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
    assert len(labelled) == 70
    assert len(test) == 11  # of 10.5


def test_the_draw_depends_on_the_seed_alone_and_not_on_the_order_of_rows():
    turned = LabelTable(dict(reversed(TABLE.labels.items())), group=TABLE.group)
    assert drawn_split(turned, 0.15, 0) == drawn_split(TABLE, 0.15, 0)
    assert drawn_split(TABLE, 0.15, 1) != drawn_split(TABLE, 0.15, 0)


def test_new_files_hardly_change_who_tests():
    table = LabelTable(dict.fromkeys(PATHS, ("cello",)))
    before = drawn_split(table, 0.15, 0)
    after = drawn_split(LabelTable(table.labels | {"new.wav": ("cello",)}), 0.15, 0)
    assert sum(after[path] != before[path] for path in PATHS) <= 1


def test_another_fold_validates():
    split = fold_split(TABLE, 3, 1)
    assert split == fold_split(TABLE, "3", "1")
    assert [path for path, name in split.items() if name == "test"] == PATHS[3::4]
    assert [path for path, name in split.items() if name == "val"] == PATHS[1::4]


@pytest.mark.parametrize(
    ("val_fold", "message"),
    [(3, "val_fold and dataset.test_fold are both 3"), (7, r"val_fold=7 is not a fold of")],
)
def test_a_fold_that_cannot_validate_is_refused(val_fold, message):
    with pytest.raises(InputError, match=message):
        fold_split(TABLE, 3, val_fold)


@pytest.mark.parametrize("fraction", [0, 1, 15])
def test_a_share_outside_0_to_1_is_refused(fraction):
    with pytest.raises(InputError, match=r"test_fraction must be above 0 and below 1"):
        drawn_split(TABLE, fraction, 0)


def test_one_labelled_group_cannot_both_train_and_test():
    table = LabelTable({"a": ("x",), "b": ("y",), "c": ()}, group={"a": "g", "b": "g", "c": ""})
    with pytest.raises(InputError, match="a test set of 15% would leave no group"):
        drawn_split(table, 0.15, 0)


def test_half_a_group_is_a_group():
    table = LabelTable({f"{number}.wav": ("cello",) for number in range(25)})
    split = drawn_split(table, 0.1, seed=0)
    assert sum(part == "test" for part in split.values()) == 3
