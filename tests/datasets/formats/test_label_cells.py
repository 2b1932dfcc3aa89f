"""Oracles: `json.dumps`, `repr` and pandas as the writers of lists."""

import json
import logging
import shlex
from pathlib import Path

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from musicssl.datasets.formats.label_cells import labels_of, one_label_each, several_labels_each
from musicssl.errors import InputError

FILE = Path("labels.csv")


def several(*cells, **settings):
    return several_labels_each(FILE, range(2, 2 + len(cells)), cells, "labels", **settings)


def one_each(*cells):
    return one_label_each(FILE, range(2, 2 + len(cells)), cells, "label")


NAMES = ["tone", "loud; long", 'it\'s, "so"', "Länge", "[x]"]


@pytest.mark.parametrize("write", [repr, json.dumps, lambda names: repr(tuple(names))])
def test_lists_of_python_and_json_are_read(write):
    assert labels_of(write(NAMES)) == tuple(NAMES)
    assert several(write(NAMES), write([]), write(["tone"])) == [tuple(NAMES), (), ("tone",)]


def test_a_set_has_an_order():
    assert labels_of("{'b', 'a', 'c'}") == ("a", "b", "c")


@pytest.mark.parametrize(
    "cell", ["[vocals] lead", "drums [acoustic]", "[/x]", "[bold]tone[/bold]", "(live)", "{x}", "["]
)
def test_brackets_in_a_name_are_part_of_it(cell):
    assert several(cell, "tone;loud") == [(cell,), ("tone", "loud")]
    assert one_each(cell, "tone") == [(cell,), ("tone",)]


@pytest.mark.parametrize("cell", ["[tone, loud]", str(np.array(["tone", "loud"])), "['tone', nan]"])
def test_a_list_that_cannot_be_read_is_refused(cell):
    with pytest.raises(InputError, match=r"line 3: labels .* is a list that cannot be read"):
        several("tone", cell)
    with pytest.raises(InputError, match=r"line 3: label .* is not one class"):
        one_each("tone", cell)


@pytest.mark.parametrize("sign", [",", "|", "\t", "\n"])
def test_cells_that_are_separated_otherwise_are_refused_with_what_to_type(sign):
    cell = f"drum{sign}percussion"
    with pytest.raises(InputError) as caught:
        several("", "tone", cell)
    message = str(caught.value)
    assert f"line 4: no labels are separated by ';', but {cell!r}" in message
    assert "dataset.columns.label=labels" in message
    [word] = shlex.split(message.partition(" or set ")[2].partition(". If")[0])
    override = OverridesParser.create().parse_override(word)
    assert override.key_or_group == "dataset.separator"
    typed = getattr(override.value(), "text", override.value())
    assert several("", "tone", cell, separator=typed) == [(), ("tone",), ("drum", "percussion")]


def test_a_separator_that_was_typed_is_used():
    assert several("drum, percussion,", "a;b", separator=",") == [("drum", "percussion"), ("a;b",)]
    assert several("Violin, fiddle", separator=";") == [("Violin, fiddle",)]
    assert several("a - b", separator=" - ") == [("a", "b")]
    with pytest.raises(InputError, match=r"dataset\.separator must not be empty"):
        several("a", separator="")


def test_commas_may_be_in_names_where_semicolons_separate(caplog):
    assert several("Violin, fiddle;Speech", "") == [("Violin, fiddle", "Speech"), ()]
    assert not caplog.messages


@pytest.mark.parametrize("name", ["nan", "NaN", "None", "null", "N/A", "NA", "<NA>", "?", "-"])
def test_a_word_for_unknown_is_a_class_with_a_warning(caplog, name):
    assert one_each("tone", name, name) == [("tone",), (name,), (name,)]
    [message] = caplog.messages
    assert message.startswith(f"labels.csv, line 3: {name!r} is read as a class, of 2 files; leave")


def test_a_name_made_of_other_names_is_told(caplog):
    one_each("tone", "loud", "tone,loud", "Male speech, man speaking")
    [message] = caplog.messages
    assert message.startswith("labels.csv, line 4: 'tone,loud' is read as one class, although")


def test_names_that_differ_in_case_are_told(caplog):
    with caplog.at_level(logging.WARNING):
        assert several("Tone;loud", "tone") == [("Tone", "loud"), ("tone",)]
    [message] = caplog.messages
    assert message == (
        "labels.csv, line 3: 'tone' and 'Tone' are two classes; write one way if they are one."
    )


def test_a_class_counts_once():
    assert labels_of("tone; tone ;") == ("tone",)
