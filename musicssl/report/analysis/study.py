"""All that a report says, worked out from the runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from musicssl.evaluation.metrics import METRICS, metric_info, primary_metric
from musicssl.report.analysis.best_settings import BestSettings, best_settings
from musicssl.report.analysis.comparisons import TESTED, Comparison, compare_all
from musicssl.report.analysis.corrupted import Corrupted, corrupted
from musicssl.report.analysis.grids import (
    Grid,
    check_metric,
    grids,
    is_known,
    main_grids,
    measured,
    other_grids,
)
from musicssl.report.analysis.grouping import Method, baseline_first, fractions, group
from musicssl.report.analysis.matching import Match, match_all
from musicssl.report.analysis.probed import Probed, probed
from musicssl.report.read.runs import read_runs

_MOST_PICTURED = 16  # methods; of more, dots hide each other and a legend leaves the picture


@dataclass(frozen=True, eq=False)
class Study:
    """Methods over fractions of labels and seeds.

    Attributes:
        methods: The baseline first.
        metric: What the main table, the curve and `matches` are about.
        comparisons: All pairs of methods on macro AUROC.
        matches: How many labels the baseline needs.
        corrupted: What corruptions of sound do; None if not all methods were tested under the same.
        probed: What linear probes make of fewer labels; None if not all methods have embeddings.
        best_settings: What validation chooses among methods of one name.
        unfinished: Folders of runs that were left out.
    """

    methods: Sequence[Method]
    metric: str
    comparisons: Sequence[Comparison]
    matches: Sequence[Match]
    corrupted: Corrupted | None
    probed: Probed | None
    best_settings: BestSettings
    unfinished: Sequence[Path]

    @property
    def metric_name(self) -> str:
        """The heading of the metric."""
        return metric_info(self.metric).heading

    @property
    def baseline(self) -> Method:
        """What the others are compared with."""
        return self.methods[0]

    @property
    def p_s(self) -> list[float]:
        """All fractions of labels, ascending."""
        return fractions(self.methods)

    @property
    def main_grids(self) -> list[Grid]:
        """The table of the main metric; at a single fraction, of all usual ones."""
        return main_grids(self.methods, self.metric)

    @property
    def other_grids(self) -> list[Grid]:
        """The tables of the other metrics, if they are not in the main one."""
        return other_grids(self.methods, self.metric)

    @property
    def chosen_grids(self) -> list[Grid]:
        """The main tables of methods whose settings validation chose, beside the others."""
        return self.best_settings.main_grids(self.metric)

    @property
    def other_chosen_grids(self) -> list[Grid]:
        """The tables of their other metrics."""
        return self.best_settings.other_grids(self.metric)

    @property
    def localisation_grids(self) -> list[Grid]:
        """How well instances were judged in time; empty where no run knows that."""
        return grids(
            self.methods, [info.name for info in METRICS.values() if info.kind == "localisation"]
        )

    @property
    def corrupted_grids(self) -> list[Grid]:
        """The table of the largest severity; empty where that is not known of all methods."""
        return [] if self.corrupted is None else [self.corrupted.grid]

    @property
    def is_regression(self) -> bool:
        """Whether the targets are values and no classes."""
        return self.baseline.runs[0].truth.task == "regression"

    @property
    def is_tested_on_another_metric(self) -> bool:
        """Whether differences are tested, and the main metric is not the one that they are of."""
        return bool(self.comparisons) and self.metric != TESTED

    @property
    def dots_name(self) -> str:
        """What to call the metric that is shown by class."""
        return metric_info(self.baseline.runs[0].judgement.metric).heading

    @property
    def is_crowded(self) -> bool:
        """Whether pictures show chosen settings alone, for there are too many to tell apart."""
        return len(self.methods) > _MOST_PICTURED and bool(self.best_settings.choices)

    @property
    def pictured(self) -> Sequence[Method]:
        """The methods that pictures show."""
        return self.best_settings.contenders if self.is_crowded else self.methods

    @property
    def dots_at(self) -> float:
        """The fraction to show by class: the smallest among those with the most methods."""
        shown = self.pictured
        return max(fractions(shown), key=lambda p_s: (sum(p_s in m.cells for m in shown), -p_s))


def read_study(
    folders: Sequence[Path], metric: str | None = None, baseline: str | None = None
) -> Study:
    """Read runs and work out what they say.

    Args:
        folders: That hold runs, at any depth.
        metric: Of metrics.json, for the main table and the curve; None for that by which
            runs are summed up, see `musicssl.evaluation.metrics.primary_metric`.
        baseline: Label or name of a method, see `musicssl.report.analysis.grouping.baseline_first`.

    Raises:
        InputError: If the runs do not compare, one is damaged, or there is no such metric or
            baseline.
    """
    runs, unfinished = read_runs(folders)
    methods = baseline_first(group(runs), baseline)
    if metric is None:
        metric = primary_metric([name for name in measured(methods) if is_known(methods, name)])
    check_metric(methods, metric)
    comparisons, matches = compare_all(methods), match_all(methods, metric)
    parts = corrupted(methods, metric), probed(methods, metric), best_settings(methods)
    return Study(methods, metric, comparisons, matches, *parts, unfinished)
