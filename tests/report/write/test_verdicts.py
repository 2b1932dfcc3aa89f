"""Oracle: studies whose outcome we chose."""

import pytest

from musicssl.report.write.tables import comparisons_table
from musicssl.report.write.verdicts import verdict
from tests.support.studies import read_study
from tests.support.synthetic_runs import settings, write_run, write_sweep


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Runs that no test changes."""
    qualities = {"att": 0.4, "best": 1.1, "same": 0.4, "bad": 0.0}
    folder = tmp_path_factory.mktemp("runs")
    return write_sweep(folder, qualities, fractions=(0.02, 0.1, 0.5), seeds=range(5))


def pair_of(study, method, other, p_s=0.1):
    keys = (method, other, p_s)
    [pair] = [one for one in study.comparisons if (one.method, one.other, one.p_s) == keys]
    return pair


def test_a_clear_difference_is_a_verdict(sweep):
    study = read_study([sweep])
    at_two, at_ten, _ = verdict(study)
    pair = pair_of(study, "best", "att")
    assert pair.p_baseline < 0.05
    assert at_ten.startswith("At 10 % of the labels (100 clips) best beats att: ")
    assert f"{pair.test.difference:+.4f} AUROC" in at_ten
    assert "after Holm's correction, 5 seeds)." in at_ten
    assert at_two.startswith("At 2 % of the labels (20 clips)")


def test_methods_that_are_worse_are_named(sweep):
    study = read_study([sweep])
    at_half = verdict(study)[-1]
    bad = pair_of(study, "bad", "att", 0.5)
    assert bad.p_baseline < 0.05
    assert at_half.endswith(f". bad ({bad.test.difference:+.4f}) is worse than att.")
    assert "same" not in at_half


def test_no_difference_is_said_to_be_none(sweep):
    [*_, last] = verdict(read_study([sweep / "att", sweep / "same"]))
    assert "no method is shown to beat att; the best of the others is same: +0.0000" in last
    assert "p = 1.000" in last


def test_being_worse_is_said(sweep):
    [_, at_ten, _] = verdict(read_study([sweep / "att", sweep / "best"], baseline="best"))
    assert at_ten.startswith("At 10 % of the labels (100 clips) att is worse than best: -")
    study = read_study([sweep / name for name in ("att", "best", "bad")], baseline="best")
    [_, at_ten, _] = verdict(study)
    assert "every other method is worse than best; the closest is att: -" in at_ten


@pytest.mark.parametrize("seeds", [1, 3, 4])
def test_below_five_seeds_nothing_is_claimed(tmp_path, seeds):
    write_sweep(tmp_path, {"att": 0.4, "b": 1.2}, fractions=(0.1,), seeds=range(seeds))
    study = read_study([tmp_path])
    [pair] = study.comparisons
    assert pair.p_baseline < 0.05  # what would be claimed from five
    noun = "seed" if seeds == 1 else "seeds"
    assert verdict(study) == [
        f"At 10 % of the labels (100 clips) b measures {pair.test.difference:+.4f} AUROC against "
        f"att over {seeds} {noun}; a claim needs at least 5 seeds of both."
    ]
    assert not any(cell.is_bold for _, cells in tables(study) for cell in cells)


def tables(study):
    return comparisons_table(study.comparisons, study.baseline.label).rows


def test_claims_are_of_the_methods_with_seeds_enough(tmp_path):
    write_sweep(tmp_path, {"att": 0.4, "b": 1.2}, fractions=(0.1,), seeds=range(5))
    write_sweep(tmp_path, {"few": 1.6}, fractions=(0.1,), seeds=range(3))
    study = read_study([tmp_path])
    [line] = verdict(study)
    assert line.startswith("At 10 % of the labels (100 clips) b beats att: +")
    difference = pair_of(study, "few", "att").test.difference
    assert line.endswith(
        f" few measures {difference:+.4f} AUROC against att over 3 seeds; a claim needs at least 5 "
        "seeds of both."
    )
    assert {row: any(cell.is_bold for cell in cells) for row, cells in tables(study)} == {
        "b": True,
        "few": False,
    }


def test_one_method_has_nothing_to_be_compared_with(sweep):
    assert verdict(read_study([sweep / "att"])) == [
        "There is one method, att: nothing to compare it with."
    ]


def test_the_baseline_must_be_there_to_be_beaten(sweep, tmp_path):
    write_run(tmp_path / "more", settings("best", p_s=0.8), quality=1)
    study = read_study([sweep / "att", tmp_path])
    assert (
        "At 80 % of the labels att has no runs, so nothing can be compared with it."
    ) in verdict(study)


def test_fractions_at_which_nothing_can_be_compared_share_a_line(tmp_path):
    write_sweep(tmp_path, {"att": 0.4}, fractions=(0.02, 0.1, 0.5), seeds=range(2))
    write_sweep(tmp_path, {"b": 1.2}, fractions=(0.1,), seeds=range(2))
    at_ten, rest = verdict(read_study([tmp_path]))
    assert at_ten.startswith("At 10 % of the labels (100 clips) b measures ")
    assert rest == "At 2 %, 50 % of the labels no other method has a run with a seed of att."
