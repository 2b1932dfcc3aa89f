import csv
import io
import json
import math
from concurrent.futures import ThreadPoolExecutor

import pytest

from musicssl.documents import (
    csv_field,
    csv_number,
    load_yaml,
    nan_to_null,
    null_to_nan,
    read_json,
    write_atomically,
    write_json,
)


def test_two_writers_of_one_file_never_leave_a_mixture(tmp_path):
    file, texts = tmp_path / "files.json", ["a" * 300_000, "b" * 500_000]
    write_atomically(file, texts[0])

    def write(text):
        for _ in range(100):
            write_atomically(file, text)

    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(write, text) for text in texts]
        while not all(writer.done() for writer in writers):
            assert file.read_text() in texts
        for writer in writers:
            writer.result()
    assert list(tmp_path.iterdir()) == [file]


def test_undefined_numbers_come_back_from_json_and_from_csv():
    metrics = {"auroc": float("nan"), "f1": 0.1 + 0.2, "per_class": [1, float("nan"), [2.5]]}
    text = json.dumps(nan_to_null(metrics), allow_nan=False)
    assert '"auroc": null' in text
    back = null_to_nan(json.loads(text))
    assert math.isnan(back["auroc"])
    assert math.isnan(back["per_class"][1])
    assert nan_to_null(back) == nan_to_null(metrics)
    file = io.StringIO()
    csv.writer(file).writerow(map(csv_field, [float("nan"), 0.1 + 0.2, 3, "name"]))
    [fields] = csv.reader([file.getvalue().strip()])
    assert fields == ["", "0.30000000000000004", "3", "name"]
    assert math.isnan(csv_number(fields[0]))
    assert csv_number(fields[1]) == 0.1 + 0.2


@pytest.mark.parametrize("damaged", ["x", {"auroc": "x"}, [{}, [[object()]]]])
def test_what_is_no_number_is_not_taken_for_one(damaged):
    with pytest.raises((TypeError, ValueError)):
        null_to_nan(damaged)
    with pytest.raises(ValueError, match="could not convert"):
        csv_number("x")
    with pytest.raises(TypeError):
        csv_number(None)  # a row that ends early


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "=", "a=b", "", "'quoted'"])
def test_text_that_a_spreadsheet_takes_for_a_formula_is_marked_as_text(name):
    file = io.StringIO()
    csv.writer(file).writerow([csv_field(name), csv_field(-1.5)])
    [[text, number]] = csv.reader([file.getvalue().strip()])
    assert text == (f"'{name}" if name[:1] in tuple("=+-@") else name)
    assert float(number) == -1.5


def test_text_of_a_field_is_one_line_without_controls():
    assert csv_field("a\nb\x1b[2J\tc") == r"a\nb\x1b[2J\tc"


def test_a_json_file_comes_back_and_a_changed_value_is_found(tmp_path):
    file = tmp_path / "metrics.json"
    write_json(file, {"auroc": 0.75, "f1": math.nan, "classes": ("drums", "bass")})
    assert read_json(file) == {"auroc": 0.75, "f1": None, "classes": ["drums", "bass"]}
    file.write_text(file.read_text().replace("0.75", "0.95"))
    with pytest.raises(ValueError, match="differs from its checksum"):
        read_json(file)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("[1, 2]", "holds no names"), ("[" * 100_000, "too deep"), ("{", "Expecting")],
)
def test_a_file_that_is_no_document_is_refused(tmp_path, text, problem):
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(ValueError, match=problem):
        read_json(tmp_path / "metrics.json")


def test_yaml_is_read_as_plain_values():
    assert load_yaml("{a: [1, 2.5, x], b: null}") == {"a": [1, 2.5, "x"], "b": None}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x [1]\nb: *x", "aliases"),
        ("[" * 51 + "]" * 51, "nested too deeply"),
        ("a: [1", "line 1"),
        ("!!python/object/apply:os.getcwd []", "could not determine a constructor"),
    ],
)
def test_yaml_that_may_do_harm_is_refused(text, problem):
    with pytest.raises(ValueError, match=problem):
        load_yaml(text)


def test_yaml_may_be_nested_fifty_deep():
    value = load_yaml("[" * 50 + "]" * 50)
    for _ in range(49):
        [value] = value
    assert value == []
