"""The numbers of a report for other programs; an undefined one is an empty field."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from musicssl.cache import csv_field
from musicssl.evaluation.robustness_table import CLEAN
from musicssl.report.analysis.choice_table import ALL, ChoiceTable
from musicssl.report.analysis.comparisons import Comparison
from musicssl.report.analysis.corrupted import Corrupted
from musicssl.report.analysis.grouping import Method
from musicssl.report.analysis.probe_boards import Bootstrapped, ProbeBoard
from musicssl.report.analysis.probe_study import ProbeStudy


def write_metrics(path: Path, methods: Sequence[Method]) -> None:
    """Write a row for each method, fraction of labels and metric, localisation included."""
    rows = []
    for method in methods:
        for p_s, cell in method.cells.items():
            metrics = dict.fromkeys(key for run in cell.runs.values() for key in run.metrics)
            for metric in metrics:
                over = cell.spread(metric)
                row = [method.label, p_s, cell.labelled, metric, over.mean, over.sd, over.n]
                rows.append(row)
    _write(path, ["method", "p_s", "labelled", "metric", "mean", "sd", "n"], rows)


def write_comparisons(path: Path, comparisons: Sequence[Comparison]) -> None:
    """Write a row for each pair of methods and fraction of labels; variances are those of `d`."""
    heads = [
        *("p_s", "labelled", "method", "other", "seeds", "difference", "low", "high"),
        *("seed_variance", "clip_variance", "dof", "p"),
        *("p_holm_with_baseline", "p_holm_all_pairs", "note"),
    ]
    rows = []
    for one in comparisons:
        test = one.test
        tested: list[object] = [""] * 7
        if test is not None:
            variances = (test.seed_variance, test.clip_variance)
            tested = [test.difference, *test.interval, *variances, test.dof, test.p]
        key = [one.p_s, one.labelled, one.method, one.other, len(one.seeds)]
        rows.append([*key, *tested, one.p_baseline, one.p_all, one.caveat])
    _write(path, heads, rows)


def write_best_settings(path: Path, tables: Sequence[ChoiceTable]) -> None:
    """Write a row for each choice and class, and for the best single setting; its class is empty.

    There `metric` is the macro mean.
    """
    heads = ["name", "p_s", "class", "setting", "metric"]
    heads += ["validation_mean", "validation_sd", "test_mean", "test_sd", "n"]
    rows: list[list[object]] = []
    for table in tables:
        choice = table.choice
        for label, (setting, validation, test) in table.rows.items():
            key = [choice.name, choice.p_s, "" if label == ALL else label, setting.text]
            values = [validation.mean, validation.sd, test.mean, test.sd, len(choice.seeds)]
            rows.append([*key, choice.metric, *values])
    _write(path, heads, rows)


def write_corrupted(path: Path, corrupted: Corrupted) -> None:
    """Write a row for each method, corruption and severity; that of clean clips is "none" at 0."""
    rows: list[list[object]] = []
    for label, means in corrupted.means.items():
        overs = {(CLEAN, 0.0): corrupted.clean(label)}
        overs |= {key: corrupted.at(label, *key) for key in means.judged}
        for key, over in overs.items():
            row = [label, corrupted.p_s, *key, corrupted.metric, over.mean, over.sd, over.n]
            rows.append(row)
    _write(path, ["method", "p_s", "corruption", "severity", "metric", "mean", "sd", "n"], rows)


def write_probes(path: Path, boards: Sequence[ProbeBoard]) -> None:
    """Write a row for each board, model, fraction of labels and metric.

    `low` and `high` are the 95 % interval over test clips, of a single training alone.
    """
    heads = ["probe", "corpus", "board", "model", "kind", "p_s", "labelled", "metric"]
    heads += ["mean", "sd", "n", "low", "high", "chance"]
    rows: list[list[object]] = []
    for board in boards:
        for model in board.models:
            for p_s in model.p_s:
                key = [board.probe, board.first.corpus, board.title, model.label, model.kind, p_s]
                for metric in model.at(p_s)[0].cells[p_s].mean:
                    over = model.spread(p_s, metric)
                    ends = (over.low, over.high) if isinstance(over, Bootstrapped) else ("", "")
                    values = [over.mean, over.sd, over.n, *ends, board.first.chance.get(metric)]
                    rows.append([*key, model.labelled(p_s), metric, *values])
    _write(path, heads, rows)


def write_probe_comparisons(path: Path, study: ProbeStudy) -> None:
    """Write a row for each comparison with the baseline of a board."""
    heads = ["board", "p_s", "labelled", "metric", "model", "other"]
    heads += ["difference", "low", "high", "p", "p_holm"]
    rows = [
        [
            *(board.title, one.p_s, one.labelled, one.metric, one.model, one.other),
            *(one.test.difference, one.test.low, one.test.high, one.test.p, one.p_holm),
        ]
        for board, comparisons in zip(study.boards, study.comparisons, strict=True)
        for one in comparisons
    ]
    _write(path, heads, rows)


def _write(path: Path, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(heads)
        writer.writerows([[csv_field(value) for value in row] for row in rows])
