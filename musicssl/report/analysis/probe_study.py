"""All results of probes: boards, and the comparisons of each with its baseline."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from musicssl.errors import InputError
from musicssl.evaluation.metrics import primary_metric
from musicssl.evaluation.statistics.bootstrap import replicates
from musicssl.evaluation.statistics.paired import Comparison, compare, corrected
from musicssl.evaluation.statistics.significance import (
    FEWEST_SEEDS,
    PairedTest,
    holm,
    unpaired_test,
)
from musicssl.evaluation.tasks import task_named
from musicssl.report.analysis.grids import Grid
from musicssl.report.analysis.probe_boards import (
    ProbeBoard,
    ProbedModel,
    board_grid,
    boards_of,
    matrices,
    without_contradictions,
)
from musicssl.report.read.probe_results import ProbeResult, read_probes

_RESAMPLES = 1000  # of the test clips, at least
_RESAMPLES_EACH = 200  # for each comparison: the least p value is then 0.01 after Holm's correction

Replicates = dict[float, list[NDArray[np.float64]]]  # (draws, B) of each training, by fraction


@dataclass(frozen=True)
class ProbeComparison:
    """One model against the baseline at one fraction of labels.

    Attributes:
        model: Label.
        other: Label of the baseline, whose metric is subtracted.
        p_s: Fraction of labels.
        labelled: Clips that a probe learns from.
        metric: Name of the metric that is compared.
        test: Test of the means over training seeds and draws of labelled clips; its p value is
            corrected for all comparisons of the board.
        trainings: Number of training seeds of the model with the fewer of them; models without a
            training, such as statistics of the input, do not count. None if neither has one.
        draws: Number of draws of labelled clips; None if all labelled clips are used.
        claim: Test over new trainings, new draws of labelled clips and new test clips; None if
            there are too few trainings or draws, see `FEWEST_SEEDS`.
        p_claim: Its p value, corrected for all such tests of the board.
    """

    model: str
    other: str
    p_s: float
    labelled: int
    metric: str
    test: Comparison
    trainings: int | None
    draws: int | None
    claim: PairedTest | None
    p_claim: float | None = None

    @property
    def p_holm(self) -> float:
        """The corrected p value."""
        assert self.test.p_holm is not None
        return self.test.p_holm


@dataclass(frozen=True, eq=False)
class ProbeStudy:
    """Models tested by probes, on one corpus or several.

    Attributes:
        boards: Results that compare, by corpus and kind of probe.
        comparisons: Comparisons of each board, with its baseline.
        left_out: A sentence for each result that is damaged, or contradicts another.
        unfinished: Folders of probes that are not finished.
        outdated: Folders of probes whose run has another checkpoint by now.
    """

    boards: Sequence[ProbeBoard]
    comparisons: Sequence[Sequence[ProbeComparison]]
    left_out: Sequence[str]
    unfinished: Sequence[Path]
    outdated: Sequence[Path]

    @property
    def matrices(self) -> list[Grid]:
        """Models over corpora; empty if there is one."""
        return matrices(self.boards)

    @property
    def grids(self) -> list[Grid]:
        """All tables."""
        return [*self.matrices, *map(board_grid, self.boards)]

    @property
    def results(self) -> list[ProbeResult]:
        """All results, by board and model."""
        return [one for board in self.boards for model in board.models for one in model.results]


def read_probe_study(
    folders: Sequence[Path], metric: str | None = None, baseline: str | None = None
) -> ProbeStudy:
    """Read the results of probes, and compare the models.

    Args:
        folders: Folders that hold them, at any depth.
        metric: See `boards_of`.
        baseline: See `boards_of`.

    Raises:
        InputError: If there is no such folder.
    """
    found = read_probes(folders)
    results, contradictions = without_contradictions(found.results)
    boards = boards_of(results, metric, baseline)
    return ProbeStudy(
        boards=boards,
        comparisons=[compare_board(board) for board in boards],
        left_out=[*found.left_out, *contradictions],
        unfinished=found.unfinished,
        outdated=found.outdated,
    )


def check_options(study: ProbeStudy, metric: str | None, baseline: str | None) -> None:
    """Make sure that a report on probes alone has the metric and the baseline of the command.

    Raises:
        InputError: If no board has the metric, or the baseline.
    """
    if metric is not None and all(board.metric != metric for board in study.boards):
        cells = (cell for result in study.results for cell in result.cells.values())
        names = ", ".join(sorted({name for cell in cells for name in cell.mean}))
        raise InputError(f"no probe has the metric {metric}; choose one of: {names}.")
    models = [model for board in study.boards for model in board.models]
    if baseline is not None and all(baseline not in (m.label, m.name) for m in models):
        labels = "; ".join(dict.fromkeys(model.label for model in models))
        raise InputError(f"no model is called {baseline}; set --baseline to one of: {labels}.")


def compare_board(board: ProbeBoard) -> list[ProbeComparison]:
    """Compare every model with the baseline at each fraction of labels that both have.

    The metric is that of the board, or the primary one of those with intervals if the board's has
    none. A model's replicates are the mean over its training seeds and draws of labelled clips, so
    the test is about new test clips and not about new trainings.
    """
    metric = _tested_metric(board)
    number = sum(p_s in board.baseline.p_s for model in board.models[1:] for p_s in model.p_s)
    if metric is None or number == 0:
        return []
    resamples = max(_RESAMPLES, _RESAMPLES_EACH * number)
    of_baseline, *of_models = [
        _replicates(model, metric, resamples)
        for model in _with_progress(board.models, f"comparing: {board.title}")
    ]
    pairs = [
        _compare(model, board.baseline, p_s, metric, (of_model[p_s], of_baseline[p_s]))
        for model, of_model in zip(board.models[1:], of_models, strict=True)
        for p_s in of_model
        if p_s in of_baseline
    ]
    tests = corrected([pair.test for pair in pairs])
    claims = iter(holm([pair.claim.p for pair in pairs if pair.claim is not None]))
    pairs = [
        replace(pair, test=test, p_claim=None if pair.claim is None else next(claims))
        for pair, test in zip(pairs, tests, strict=True)
    ]
    return sorted(pairs, key=lambda pair: pair.p_s)


def _with_progress(models: Sequence[ProbedModel], description: str) -> Iterable[ProbedModel]:
    """Show progress on a terminal: a model with many clips and seeds takes long."""
    console = Console(stderr=True)
    hidden = not console.is_terminal
    return track(models, description, console=console, transient=True, disable=hidden)


def _compare(
    model: ProbedModel,
    baseline: ProbedModel,
    p_s: float,
    metric: str,
    drawn: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]],
) -> ProbeComparison:
    a, b = (float(np.mean(one.values(p_s, metric))) for one in (model, baseline))
    of_clips = [np.mean([one.mean(axis=0) for one in some], axis=0) for some in drawn]  # (B,) each
    test = compare(of_clips[0], of_clips[1], a, b)
    results = [*model.at(p_s), *baseline.at(p_s)]
    trained = [one.values(p_s, metric) for one in (model, baseline) if one.is_trained]
    trainings = min(map(len, trained), default=None)
    draws = None if p_s >= 1 else min(len(result.rows(p_s)) for result in results)
    claim = None
    if all(number is None or number >= FEWEST_SEEDS for number in (trainings, draws)):
        samples = [np.array(values) for values in trained]
        if draws is not None:  # labelled clips are the same for both models
            of_a, of_b = (
                np.mean([np.nanmean(one[:draws], axis=1) for one in some], axis=0) for some in drawn
            )
            samples.append(of_a - of_b)
        variance = float(np.nanvar(of_clips[0] - of_clips[1], ddof=1))
        claim = unpaired_test(a - b, samples, variance, results[0].num_units)
    return ProbeComparison(
        model=model.label,
        other=baseline.label,
        p_s=p_s,
        labelled=model.labelled(p_s),
        metric=metric,
        test=test,
        trainings=trainings,
        draws=draws,
        claim=claim,
    )


def _tested_metric(board: ProbeBoard) -> str | None:
    cells = [
        cell for model in board.models for result in model.results for cell in result.cells.values()
    ]
    with_intervals = set.intersection(*(set(cell.interval) for cell in cells))
    return primary_metric(sorted(with_intervals), board.metric) if with_intervals else None


def _replicates(model: ProbedModel, metric: str, resamples: int) -> Replicates:
    """Return the metric of each training and draw of labelled clips on resamples of test clips."""
    of_results = {r.folder: _replicates_of(r, metric, resamples) for r in model.results}
    return {p_s: [of_results[result.folder][p_s] for result in model.at(p_s)] for p_s in model.p_s}


def _replicates_of(
    result: ProbeResult, metric: str, resamples: int
) -> dict[float, NDArray[np.float64]]:
    test_set = result.test_set
    drawn = replicates(
        torch.from_numpy(result.scores()),
        torch.from_numpy(test_set.targets),
        torch.from_numpy(test_set.mask),
        task_named(test_set.task),
        [metric],
        groups=result.groups,
        credit=result.credit,
        resamples=resamples,
    )[metric]
    return {p_s: drawn[result.rows(p_s)] for p_s in result.cells}
