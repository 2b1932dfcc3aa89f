"""Models against the baseline of their board: paired over the same draws of test clips."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from musicssl.evaluation.metrics import primary_metric
from musicssl.evaluation.statistics.bootstrap import replicates
from musicssl.evaluation.statistics.paired import Comparison, compare, corrected
from musicssl.evaluation.tasks import task_named
from musicssl.report.analysis.probe_boards import ProbeBoard, ProbedModel
from musicssl.report.read.probe_results import ProbeResult

_RESAMPLES = 1000  # of the test clips, at least
_FOR_EACH = 200  # comparison, so that the least p value is 0.01 after Holm's correction

Replicates = dict[float, NDArray[np.float64]]  # (B,) by fraction of labels


@dataclass(frozen=True)
class ProbeComparison:
    """One model against the baseline at one fraction of labels.

    Attributes:
        model: Label.
        other: Label of the baseline, whose metric is subtracted.
        p_s: Fraction of labels.
        labelled: Clips that a probe learns from.
        metric: That is compared.
        test: Of the means over training seeds and draws of labelled clips; its p value is
            corrected for all comparisons of the board.
    """

    model: str
    other: str
    p_s: float
    labelled: int
    metric: str
    test: Comparison

    @property
    def p_holm(self) -> float:
        """The corrected p value."""
        assert self.test.p_holm is not None
        return self.test.p_holm


def compare_board(board: ProbeBoard) -> list[ProbeComparison]:
    """Compare every model with the baseline at each fraction of labels that both have.

    The metric is that of the board, or the usual one where the board's has no intervals. A model's
    replicates are the mean over its training seeds and draws of labelled clips, so the test speaks
    of new test clips and not of new trainings.
    """
    metric = _tested(board)
    number = sum(p_s in board.baseline.p_s for model in board.models[1:] for p_s in model.p_s)
    if metric is None or number == 0:
        return []
    resamples = max(_RESAMPLES, _FOR_EACH * number)
    drawn = [
        _replicates(model, metric, resamples)
        for model in _shown(board.models, f"comparing: {board.title}")
    ]
    pairs = [
        _compare(model, board.baseline, p_s, metric, (mine[p_s], drawn[0][p_s]))
        for model, mine in zip(board.models[1:], drawn[1:], strict=True)
        for p_s in mine
        if p_s in drawn[0]
    ]
    tests = corrected([pair.test for pair in pairs])
    pairs = [replace(pair, test=test) for pair, test in zip(pairs, tests, strict=True)]
    return sorted(pairs, key=lambda pair: pair.p_s)


def _shown(models: Sequence[ProbedModel], description: str) -> Iterable[ProbedModel]:
    """Show progress on a terminal: a model of many clips and seeds takes its time."""
    console = Console(stderr=True)
    hidden = not console.is_terminal
    return track(models, description, console=console, transient=True, disable=hidden)


def _compare(
    model: ProbedModel,
    baseline: ProbedModel,
    p_s: float,
    metric: str,
    drawn: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> ProbeComparison:
    means = [float(np.mean(one.values(p_s, metric))) for one in (model, baseline)]
    test = compare(*drawn, *means)
    return ProbeComparison(model.label, baseline.label, p_s, model.labelled(p_s), metric, test)


def _tested(board: ProbeBoard) -> str | None:
    cells = [
        cell for model in board.models for result in model.results for cell in result.cells.values()
    ]
    known = set.intersection(*(set(cell.interval) for cell in cells))
    return primary_metric(known, board.metric) if known else None


def _replicates(model: ProbedModel, metric: str, resamples: int) -> Replicates:
    """Average over training seeds what the resamples of the test clips say of each."""
    of_results = {r.folder: _of_result(r, metric, resamples) for r in model.results}
    return {
        p_s: np.mean([of_results[result.folder][p_s] for result in model.at(p_s)], axis=0)
        for p_s in model.p_s
    }


def _of_result(result: ProbeResult, metric: str, resamples: int) -> Replicates:
    truth = result.truth
    scores, targets = torch.from_numpy(result.scores()), torch.from_numpy(truth.targets)
    drawn = replicates(
        scores,
        targets,
        torch.from_numpy(truth.mask),
        task_named(truth.task),
        [metric],
        groups=result.groups,
        credit=result.credit,
        resamples=resamples,
    )[metric]
    return {p_s: drawn[result.rows(p_s)].mean(axis=0) for p_s in result.cells}
