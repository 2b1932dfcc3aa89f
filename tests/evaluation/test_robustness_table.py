import math

import pytest

from musicssl.errors import InputError
from musicssl.evaluation.robustness_table import Robustness, read_robustness

TABLE = Robustness(
    {"auroc": 0.1 + 0.2, "f1": math.nan},
    {
        ("reverb, in a hall", 2.0): {"auroc": 0.5, "f1": 0.0},
        ("mp3", 0.5): {"auroc": 0.6, "f1": math.nan},
        ("mp3", 2.0): {"auroc": 1e-9, "f1": 1.0},
        ("reverb, in a hall", 0.5): {"auroc": 2 / 3, "f1": 0.5},
        ("mp3", 1 / 3): {"auroc": 0.7, "f1": 0.0},
    },
)


def test_what_is_written_is_read_again_to_the_last_digit(tmp_path):
    TABLE.write(tmp_path / "robustness.csv")
    found = read_robustness(tmp_path / "robustness.csv")
    assert found.severities == TABLE.severities == (1 / 3, 0.5, 2.0)
    assert list(found.corrupted) == list(TABLE.corrupted)
    assert found.clean == pytest.approx(TABLE.clean, abs=0, rel=0, nan_ok=True)
    assert set(found.judged) == set(TABLE.judged)
    for key, macro in TABLE.judged.items():
        assert found.judged[key] == pytest.approx(macro, abs=0, rel=0, nan_ok=True)


def test_the_file_is_a_row_for_each_corruption_and_severity(tmp_path):
    TABLE.write(tmp_path / "robustness.csv")
    assert (tmp_path / "robustness.csv").read_text().splitlines() == [
        "corruption,severity,auroc,f1",
        "none,0,0.30000000000000004,",
        '"reverb, in a hall",0.5,0.6666666666666666,0.5',
        '"reverb, in a hall",2,0.5,0.0',
        "mp3,0.3333333333333333,0.7,0.0",
        "mp3,0.5,0.6,",
        "mp3,2,1e-09,1.0",
    ]


def test_metrics_of_a_corruption_ascend_by_severity():
    assert [macro["auroc"] for macro in TABLE.corrupted["reverb, in a hall"]] == [2 / 3, 0.5]
    assert [macro["auroc"] for macro in TABLE.corrupted["mp3"]] == [0.7, 0.6, 1e-9]


def test_a_curve_begins_with_the_clean_clips_and_has_gaps_where_nothing_was_judged():
    assert TABLE.curve("mp3", "auroc") == [0.1 + 0.2, 0.7, 0.6, 1e-9]
    expected = [0.1 + 0.2, math.nan, 2 / 3, 0.5]
    assert TABLE.curve("reverb, in a hall", "auroc") == pytest.approx(expected, nan_ok=True)


def test_the_mean_of_all_corruptions_has_gaps_where_one_was_not_judged():
    expected = [0.1 + 0.2, math.nan, (0.6 + 2 / 3) / 2, (1e-9 + 0.5) / 2]
    assert TABLE.mean_curve("auroc") == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "corruption,severity,auroc\n",
        "something,else\n1,2\n",
        "corruption,severity,auroc\nmp3,1,0.5\n",
        "corruption,severity,auroc\nnone,0,high\n",
        "corruption,severity,auroc\nnone,0,0.5,0.6\n",
        "corruption,severity,auroc\nnone,0,0.9\nmp3,1\n",
        "corruption,severity,auroc\nnone,0,0.9\nmp3,1,0.5\nmp3,1.0,0.5\n",
        "\x00\x01",
    ],
)
def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path, text):
    path = tmp_path / "robustness.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"robustness\.csv is damaged"):
        read_robustness(path)
    assert path.read_text() == text
