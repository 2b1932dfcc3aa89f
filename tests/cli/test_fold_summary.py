from rich.console import Console

from musicssl.cli.fold_summary import fold_table
from musicssl.report.read.folds import pooled
from musicssl.report.read.runs import read_runs
from tests.support.synthetic_runs import write_fold


def shown(table):
    console = Console(width=120)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_a_sweep_over_folds_ends_in_the_metrics_of_all_clips(tmp_path):
    folders = [write_fold(tmp_path, fold, name) for name in ("att", "dnn") for fold in (1, 2, 3)]
    text = shown(fold_table(folders))
    runs = pooled(read_runs([tmp_path]).runs)
    assert len(runs) == 2
    for run in runs:
        [line] = [line for line in text.splitlines() if line.startswith(f" {run.name}")]
        assert f"{run.metrics['auroc']:.4f}" in line
        assert "10 %" in line
        values = [fold.metrics["auroc"] for fold in run.folds.values()]
        assert f"{sum(values) / 3:.4f} ± " in line


def test_folds_that_are_alone_are_no_summary(tmp_path):
    assert fold_table([write_fold(tmp_path, 1)]) is None
