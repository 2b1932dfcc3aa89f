"""Oracle: runs whose gaps we made."""

import pytest

from musicssl.report.analysis.probe_study import read_probe_study
from musicssl.report.analysis.study import read_studies
from musicssl.report.write.notes import left_out, notes
from musicssl.runs.folder import RunFolder
from tests.support.studies import read_study
from tests.support.synthetic_probes import UNTRAINED, write_probe
from tests.support.synthetic_runs import settings, write_run, write_sweep


@pytest.fixture
def sweep(tmp_path):
    return write_sweep(tmp_path / "runs", {"att": 0.4, "best": 1.1, "same": 0.4})


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
    [line] = [line for line in notes(read_study([sweep])) if "trained differently" in line]
    assert line.startswith("The methods were trained differently: trainer.max_epochs is ")
    assert "short 2" in line


def test_a_baseline_at_one_fraction_cannot_be_read_backwards(sweep):
    here = [*(sweep / "att").glob("p0.1_*"), sweep / "best"]
    [line] = notes(read_study(here))
    assert line.startswith("att has runs at one fraction of labels, so it cannot be said how many")


def test_many_runs_that_are_not_finished_are_counted(sweep):
    for seed in range(7):
        RunFolder(sweep / f"late{seed}").claim(settings("late", seed))
    [line] = left_out(read_studies([sweep]), read_probe_study([sweep]))
    assert line.endswith(f"{sweep / 'late4'}, and 2 more.")


def test_probes_that_are_not_finished_are_named(tmp_path):
    write_probe(tmp_path / "m")
    assert left_out(read_studies([tmp_path]), read_probe_study([tmp_path])) == []
    late = write_probe(tmp_path / "late", UNTRAINED)
    (late / "probe.json").unlink()
    assert left_out(read_studies([tmp_path]), read_probe_study([tmp_path])) == [
        f"Left out because they are not finished: {late}."
    ]
