"""All that a report says of probes, worked out from the folders of probe.py."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from musicssl.errors import InputError
from musicssl.report.analysis.grids import Grid
from musicssl.report.analysis.probe_boards import ProbeBoard, boards_of
from musicssl.report.analysis.probe_comparisons import ProbeComparison, compare_board
from musicssl.report.analysis.probe_grids import board_grid, matrices
from musicssl.report.read.probe_results import ProbeResult, read_probes

OUTDATED = (
    "Left out, for their runs were trained again since and have other checkpoints: {}; probe them "
    "again."
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ProbeStudy:
    """Models judged by probes, on one corpus or several.

    Attributes:
        boards: Results that compare, by corpus and kind of probe.
        comparisons: Of each board, with its baseline.
        unfinished: Folders of probes that are not finished.
        outdated: Folders of probes whose run has another checkpoint by now.
    """

    boards: Sequence[ProbeBoard]
    comparisons: Sequence[Sequence[ProbeComparison]]
    unfinished: Sequence[Path]
    outdated: Sequence[Path] = ()

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
) -> ProbeStudy | None:
    """Read the results of probe.py and work out what they say.

    Args:
        folders: That hold them, at any depth.
        metric: See `boards_of`.
        baseline: See `boards_of`.

    Returns:
        None if there are none.

    Raises:
        InputError: If there is no such folder, a file is damaged, or two results are of the same
            model.
    """
    results, unfinished, outdated = read_probes(folders)
    if not results:
        if outdated:
            _log.warning("%s", OUTDATED.format(", ".join(map(str, outdated))))
        return None
    boards = boards_of(results, metric, baseline)
    return ProbeStudy(boards, [compare_board(board) for board in boards], unfinished, outdated)


def check_wishes(study: ProbeStudy, metric: str | None, baseline: str | None) -> None:
    """Make sure that a report of probes alone has what was asked for.

    Raises:
        InputError: If no board has the metric, or the baseline.
    """
    if metric is not None and all(board.metric != metric for board in study.boards):
        cells = (cell for result in study.results for cell in result.cells.values())
        known = ", ".join(sorted({name for cell in cells for name in cell.mean}))
        raise InputError(f"no probe has the metric {metric}; choose one of: {known}.")
    models = [model for board in study.boards for model in board.models]
    if baseline is not None and all(baseline not in (m.label, m.name) for m in models):
        known = "; ".join(dict.fromkeys(model.label for model in models))
        raise InputError(f"no model is called {baseline}; set --baseline to one of: {known}.")
