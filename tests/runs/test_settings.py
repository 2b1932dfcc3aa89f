"""Oracle: pairs of settings that are, or are not, the same run, written by hand."""

import pytest

from musicssl.runs.settings import (
    budget_label,
    differences,
    folder_label,
    has_bearing,
    value_text,
    without_budget,
)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("encoder.dropout", True),
        ("data.p_s", True),
        ("runs", False),
        ("runs_of_mine", True),
        ("logger.name", False),
        ("dataset.cache", False),
        ("unlabelled.num_workers", False),
        ("mylab.cache", False),
        ("data.dataset.seed", False),
        ("dataset.seed", True),
    ],
)
def test_the_one_list_says_what_has_a_bearing(key, expected):
    assert has_bearing(key) == expected


@pytest.mark.parametrize(
    "alike", [(1, 1.0), (1e-3, 0.001), ([1, 2.0], [1.0, 2]), ((1,), [1]), ({"a": 1}, {"a": 1.0})]
)
def test_equal_values_have_one_text(alike):
    assert len({value_text(value) for value in alike}) == 1


@pytest.mark.parametrize("pair", [(1, True), (0, False), (None, 0), (0.1, 0.10000001), ("a", "b")])
def test_different_values_have_different_texts(pair):
    assert value_text(pair[0]) != value_text(pair[1])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.root", "corpora/gtzan"),
        ("dataset.metadata2", "/x/y"),
        ("dataset.audio_root", "audio"),
        ("dataset.lists", ["~/a.csv", "b.csv"]),
        ("finetune.checkpoint", "runs/att/best.ckpt"),
    ],
)
def test_a_label_holds_no_path(key, value):
    assert folder_label({}, {key: value}) == ""


def test_a_label_is_one_folder_whatever_its_values():
    label = folder_label({"encoder": "gru"}, {"select": "val/auroc", "views.severity": 3.0})
    assert label == "encoder-gru_select-val.auroc_views.severity-3"


def test_a_long_label_is_cut_and_still_its_own():
    settings = {f"method.parameter_{i}": i for i in range(40)}
    label = folder_label({}, settings)
    other = folder_label({}, settings | {"method.parameter_39": 38})
    assert len(label.encode()) == len(other.encode()) == 120
    assert label != other
    assert label[:100] == other[:100]
    assert len(folder_label({}, {"name2": "ü" * 200}).encode()) <= 120


def test_parts_of_the_path_are_not_said_twice():
    changed = {"seed": 3, "embeddings.file": "a.npz", "seeds": 4}
    assert folder_label({}, changed, ("seed", "embeddings")) == "seeds-4"


def test_differences_name_both_values_and_skip_what_has_no_bearing():
    earlier = {"data": {"p_s": 1, "batch_size": 8}, "threads": 1, "encoder": {"dropout": 0.1}}
    now = {"data": {"p_s": 1.0, "batch_size": 16}, "threads": 2, "encoder": {"width": 3}}
    assert differences(earlier, now) == [
        "data.batch_size: 8 there, 16 here",
        "encoder.dropout: 0.1 there, null here",
        "encoder.width: null there, 3 here",
    ]


def test_the_budget_is_written_one_way():
    assert budget_label(1, 1.0, 0) == budget_label(1.0, 1, 0) == "p1.0_b1.0_s0"
    path = f"runs/att/{budget_label(0.1, None, 2)}/checkpoints/best.ckpt"
    twin = f"runs/att/{budget_label(0.5, None, 0)}/checkpoints/best.ckpt"
    assert without_budget(path, 0.1, 2) == without_budget(twin, 0.5, 0)
    assert without_budget(path, 0.2, 2) != without_budget(path, 0.1, 2)
