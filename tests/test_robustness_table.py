import math

import pytest

from musicssl.errors import InputError
from musicssl.robustness_table import Robustness, read_robustness

TABLE = Robustness(
    (0.5, 2.0),
    {"auroc": 0.1 + 0.2, "f1": math.nan},
    {
        "reverb, in a hall": ({"auroc": 2 / 3, "f1": 0.5}, {"auroc": 0.5, "f1": 0.0}),
        "mp3": ({"auroc": 0.6, "f1": math.nan}, {"auroc": 1e-9, "f1": 1.0}),
    },
)


def test_what_is_written_is_read_again_to_the_last_digit(tmp_path):
    TABLE.write(tmp_path / "robustness.csv")
    found = read_robustness(tmp_path / "robustness.csv")
    assert found.severities == TABLE.severities
    assert list(found.corrupted) == list(TABLE.corrupted)
    assert found.clean == pytest.approx(TABLE.clean, abs=0, rel=0, nan_ok=True)
    for name, macros in TABLE.corrupted.items():
        for one, other in zip(found.corrupted[name], macros, strict=True):
            assert one == pytest.approx(other, abs=0, rel=0, nan_ok=True)


def test_the_file_is_a_row_for_each_corruption_and_severity(tmp_path):
    TABLE.write(tmp_path / "robustness.csv")
    assert (tmp_path / "robustness.csv").read_text().splitlines() == [
        "corruption,severity,auroc,f1",
        "none,0,0.30000000000000004,",
        '"reverb, in a hall",0.5,0.6666666666666666,0.5',
        '"reverb, in a hall",2,0.5,0.0',
        "mp3,0.5,0.6,",
        "mp3,2,1e-09,1.0",
    ]


def test_a_curve_begins_with_the_clean_clips():
    assert TABLE.curve("mp3", "auroc") == [0.1 + 0.2, 0.6, 1e-9]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "corruption,severity,auroc\n",
        "something,else\n1,2\n",
        "corruption,severity,auroc\nmp3,1,0.5\n",
        "corruption,severity,auroc\nnone,0,high\n",
        "corruption,severity,auroc\nnone,0,0.5,0.6\n",
        "corruption,severity,auroc\nnone,0,0.9\nmp3,1,0.5\nmp3,2,0.5\nreverb,1,0.5\n",
        "\x00\x01",
    ],
)
def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path, text):
    path = tmp_path / "robustness.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"robustness\.csv is damaged"):
        read_robustness(path)
    assert path.read_text() == text
