"""The numbers of a report for other programs; an undefined one is an empty field."""

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from musicssl.report.comparisons import Comparison
from musicssl.report.corrupted import Corrupted
from musicssl.report.grouping import Method
from musicssl.robustness_table import CLEAN


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


def _write(path: Path, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(heads)
        writer.writerows([[_field(value) for value in row] for row in rows])


def _field(value: object) -> object:
    return "" if isinstance(value, float) and math.isnan(value) else value
