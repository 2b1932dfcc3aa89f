"""Oracle: studies whose outcome we chose."""

import pytest

from musicssl.report.analysis.study import read_study
from musicssl.report.write.sentences import notes, verdict
from musicssl.runs.folder import RunFolder
from tests.support.synthetic_runs import settings, write_run, write_sweep


@pytest.fixture
def sweep(tmp_path):
    return write_sweep(tmp_path / "runs", {"att": 0.4, "best": 1.1, "same": 0.4})


def test_a_clear_difference_is_a_verdict(sweep):
    study = read_study([sweep])
    at_two, at_ten, _ = verdict(study)
    [pair] = [
        one for one in study.comparisons if (one.method, one.other, one.p_s) == ("best", "att", 0.1)
    ]
    assert pair.p_baseline < 0.05
    assert at_ten.startswith("At 10 % of the labels (100 clips) best beats att: ")
    assert f"{pair.test.difference:+.4f} AUROC" in at_ten
    assert at_ten.endswith("after Holm's correction, 3 seeds).")
    assert at_two.startswith("At 2 % of the labels (20 clips)")


def test_no_difference_is_said_to_be_none(sweep):
    [*_, last] = verdict(read_study([sweep / "att", sweep / "same"]))
    assert "no method is shown to beat att; the best of the others is same: +0.0000" in last
    assert "p = 1.000" in last


def test_falling_short_is_said(sweep):
    [_, at_ten, _] = verdict(read_study([sweep / "att", sweep / "best"], baseline="best"))
    assert "every other method falls short of best; least so att: -" in at_ten


def test_one_seed_is_said_to_be_one(tmp_path):
    write_sweep(tmp_path, {"att": 0.4, "b": 1.2}, seeds=(0,))
    assert all(
        "one seed: spread of training unknown" in line for line in verdict(read_study([tmp_path]))
    )


def test_one_method_has_nothing_to_be_compared_with(sweep):
    assert verdict(read_study([sweep / "att"])) == [
        "There is one method, att: nothing to compare it with."
    ]


def test_the_baseline_must_be_there_to_be_beaten(sweep):
    write_run(sweep / "more", settings("best", p_s=0.8), quality=1)
    study = read_study([sweep])
    assert verdict(study)[-1] == (
        "At 80 % of the labels att has no runs, so nothing can be compared with it."
    )


def test_seeds_that_are_not_common_are_said_to_be_left_out(sweep):
    write_run(sweep / "more", settings("att", seed=9, p_s=0.1))
    [line] = notes(read_study([sweep]))
    assert line.startswith("Seeds that only one method has are left out of 2 of the comparisons")


def test_methods_that_were_not_trained_alike_are_said_not_to_be(sweep):
    assert notes(read_study([sweep])) == []
    for seed in (0, 1, 2):
        config = settings("short", seed=seed, p_s=0.1)
        config["trainer"] = {**config.get("trainer", {}), "max_epochs": 2}
        write_run(sweep / f"short{seed}", config)
    [line] = [line for line in notes(read_study([sweep])) if "not trained alike" in line]
    assert line.startswith("The methods were not trained alike: trainer.max_epochs is ")
    assert "short 2" in line


def test_a_baseline_at_one_fraction_cannot_be_read_backwards(sweep):
    here = [*(sweep / "att").glob("p0.1_*"), sweep / "best"]
    [line] = notes(read_study(here))
    assert line.startswith("att has runs at one fraction of labels, so it cannot be said how many")


def test_many_runs_that_are_not_finished_are_counted(sweep):
    for seed in range(7):
        RunFolder(sweep / f"late{seed}").claim(settings("late", seed))
    [line] = notes(read_study([sweep]))
    assert line.endswith(f"{sweep / 'late4'}, and 2 more.")
