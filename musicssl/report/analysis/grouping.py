"""From runs to methods: over seeds, then over label fractions."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicssl.errors import InputError
from musicssl.evaluation.statistics.spread import Spread, spread
from musicssl.report.read.runs import Run
from musicssl.report.read.settings import telling

_USUAL_BASELINES = ("supervised", "att", "dnn")


@dataclass(frozen=True, eq=False)
class Cell:
    """Runs that differ only in their seed.

    Attributes:
        runs: By seed.
    """

    runs: Mapping[int, Run]

    @property
    def first(self) -> Run:
        """The run of the first seed that was read."""
        return next(iter(self.runs.values()))

    @property
    def labelled(self) -> float:
        """Number of labelled training clips, mean over seeds."""
        return float(np.mean([run.labelled for run in self.runs.values()]))

    def spread(self, metric: str) -> Spread:
        """Take mean and spread of a metric over the seeds."""
        return spread(self.values(metric).values())

    def values(self, metric: str) -> dict[int, float]:
        """Return a metric of each seed; NaN where it is undefined."""
        return {seed: run.metrics.get(metric, np.nan) for seed, run in self.runs.items()}

    def by_class(self) -> NDArray[np.float64]:
        """Return AUROC by class, or R² of a regression's targets, mean over seeds, (C)."""
        values = [run.scores.by_class for run in self.runs.values()]
        means: NDArray[np.float64] = np.mean(values, axis=0)
        return means


@dataclass(frozen=True, eq=False)
class Method:
    """Cells that differ only in the fraction of labels: one row of a table, one curve.

    Attributes:
        label: The setting `name`, made unique by other settings where it is not.
        name: The setting `name`.
        cells: By p_s, in ascending order.
    """

    label: str
    name: str
    cells: Mapping[float, Cell]

    @property
    def settings(self) -> Mapping[str, str]:
        """What all its runs share, by path."""
        return self.runs[0].settings

    @property
    def runs(self) -> list[Run]:
        """All runs, by p_s and seed."""
        return [run for cell in self.cells.values() for _, run in sorted(cell.runs.items())]


def group(runs: Sequence[Run]) -> list[Method]:
    """Sort runs into methods, in the order of their labels.

    Args:
        runs: No two of them with the same settings and the same seed.
    """
    curves: defaultdict[tuple[tuple[str, str], ...], list[Run]] = defaultdict(list)
    for run in runs:
        curves[tuple(sorted(run.settings.items()))].append(run)
    members = list(curves.values())
    labels = unique_labels([(curve[0].name, curve[0].settings) for curve in members])
    methods = [
        Method(label, curve[0].name, _cells(curve))
        for label, curve in zip(labels, members, strict=True)
    ]
    return sorted(methods, key=lambda method: method.label)


def baseline_first(methods: Sequence[Method], name: str | None = None) -> list[Method]:
    """Move the baseline, which all others are compared with, to the front.

    Args:
        methods: In any order.
        name: Label or name of the baseline; None: the first that is called supervised, else att,
            else dnn, else the first.

    Raises:
        InputError: If no method, or more than one, is called `name`.
    """
    if name is None:
        usual = [m for usual in _USUAL_BASELINES for m in methods if m.name == usual]
        baseline = [*usual, methods[0]][0]
    else:
        matches = [m for m in methods if m.label == name] or [m for m in methods if m.name == name]
        if len(matches) != 1:
            labels = "; ".join(method.label for method in methods)
            count = "more than one method is" if matches else "no method is"
            raise InputError(f"{count} called {name}; set --baseline to one of: {labels}.")
        baseline = matches[0]
    return [baseline, *(method for method in methods if method is not baseline)]


def is_called(methods: Sequence[Method], name: str) -> bool:
    """Whether a method has a label or a name."""
    return any(name in (method.label, method.name) for method in methods)


def fractions(methods: Sequence[Method]) -> list[float]:
    """List all p_s for which some method has runs."""
    return sorted({p_s for method in methods for p_s in method.cells})


def largest_common_fraction(methods: Sequence[Method], has: Callable[[Run], bool]) -> float | None:
    """Return the largest p_s at which all methods have runs, and all these runs have a property.

    Args:
        methods: At least one.
        has: Whether a run has the property.

    Returns:
        None if there is no such fraction.
    """
    complete = [
        p_s
        for p_s in fractions(methods)
        if all(p_s in m.cells and all(map(has, m.cells[p_s].runs.values())) for m in methods)
    ]
    return max(complete, default=None)


def unique_labels(curves: Sequence[tuple[str, Mapping[str, str]]]) -> list[str]:
    """Label pairs of a name and settings: by name, and by settings where others share the name."""
    labels = [name for name, _ in curves]
    for name in {name for name in labels if labels.count(name) > 1}:
        indices = [index for index, label in enumerate(labels) if label == name]
        texts = telling([curves[index][1] for index in indices])
        for index, text in zip(indices, texts, strict=True):
            labels[index] = f"{name} ({text})"
    return labels


def _cells(runs: Sequence[Run]) -> dict[float, Cell]:
    cells: defaultdict[float, dict[int, Run]] = defaultdict(dict)
    for run in runs:
        cells[run.p_s][run.seed] = run
    return {p_s: Cell(cells[p_s]) for p_s in sorted(cells)}
