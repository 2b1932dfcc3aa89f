"""Methods over fractions of labels and seeds, with everything that a report compares.

Runs that do not compare with each other are in sections of their own, a `Study` each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from musicssl.evaluation.metrics import METRICS, metric_info, primary_metric
from musicssl.report.analysis.best_settings import BestSettings, best_settings
from musicssl.report.analysis.comparisons import TESTED, Comparison, compare_all
from musicssl.report.analysis.folds import FoldGrid, fold_grids
from musicssl.report.analysis.grids import (
    Grid,
    check_metric,
    grids,
    is_known,
    main_grids,
    measured,
    other_grids,
)
from musicssl.report.analysis.grouping import (
    Method,
    baseline_first,
    fractions,
    group,
    is_called,
)
from musicssl.report.analysis.labels_needed import Match, match_all
from musicssl.report.analysis.linear_probes import LinearProbes, linear_probes
from musicssl.report.analysis.robustness import RobustnessStudy, robustness_study
from musicssl.report.analysis.sections import sections_of
from musicssl.report.analysis.timelines import Timelines, timelines
from musicssl.report.analysis.unlabelled_fractions import UnlabelledStudy, unlabelled_study
from musicssl.report.read.folds import pooled
from musicssl.report.read.runs import read_runs

_MOST_PICTURED = 16  # methods in a picture; more hide each other, and their legend has no room


@dataclass(frozen=True, eq=False)
class Study:
    """Methods over fractions of labels and seeds.

    Attributes:
        methods: The baseline first.
        metric: Metric of the main table, the curve and `matches`.
        comparisons: All pairs of methods on macro AUROC.
        matches: How many labels the baseline needs.
        robustness: Under corruptions of sound; None if not all methods were tested under the same.
        unlabelled: Over fractions of clips without labels; None if no method has runs of several.
        linear_probes: On fewer labels; None if not all methods learn embeddings.
        timelines: Test clips over time; None if no run pictured any.
        best_settings: Chosen on validation clips among methods of one name.
        title: The settings that distinguish its runs from those of other sections; empty if there
            is one section.
    """

    methods: Sequence[Method]
    metric: str
    comparisons: Sequence[Comparison]
    matches: Sequence[Match]
    robustness: RobustnessStudy | None
    unlabelled: UnlabelledStudy | None
    linear_probes: LinearProbes | None
    timelines: Timelines | None
    best_settings: BestSettings
    title: str = ""

    @property
    def metric_name(self) -> str:
        """The heading of the metric."""
        return metric_info(self.metric).heading

    @property
    def baseline(self) -> Method:
        """The method that the others are compared with."""
        return self.methods[0]

    @property
    def p_s(self) -> list[float]:
        """All fractions of labels, ascending."""
        return fractions(self.methods)

    @property
    def main_grids(self) -> list[Grid]:
        """The table of the main metric; at a single fraction of labels, of all metrics."""
        return main_grids(self.methods, self.metric)

    @property
    def other_grids(self) -> list[Grid]:
        """The tables of the other metrics, if they are not in the main one."""
        return other_grids(self.methods, self.metric)

    @property
    def chosen_grids(self) -> list[Grid]:
        """The main tables of the methods with chosen settings, and the methods beside them."""
        return self.best_settings.main_grids(self.metric)

    @property
    def other_chosen_grids(self) -> list[Grid]:
        """The tables of the other metrics of these."""
        return self.best_settings.other_grids(self.metric)

    @property
    def localisation_grids(self) -> list[Grid]:
        """Tables of how well instances agree with what sounds when; empty if no run has it."""
        return grids(
            self.methods, [info.name for info in METRICS.values() if info.kind == "localisation"]
        )

    @property
    def fold_grids(self) -> list[FoldGrid]:
        """Tables of the main metric fold by fold; empty if the runs are not of several folds."""
        return fold_grids(self.methods, self.metric)

    @property
    def has_classes(self) -> bool:
        """Whether the targets are classes, and not the values of a regression."""
        return self.baseline.runs[0].test_set.has_classes

    @property
    def is_tested_on_another_metric(self) -> bool:
        """Whether differences are tested, but not in the main metric."""
        return bool(self.comparisons) and self.metric != TESTED

    @property
    def class_metric_name(self) -> str:
        """The heading of the metric that is shown for each class."""
        return metric_info(self.baseline.runs[0].scores.metric).heading

    @property
    def is_crowded(self) -> bool:
        """Whether pictures show chosen settings only, because there are too many methods."""
        return len(self.methods) > _MOST_PICTURED and bool(self.best_settings.choices)

    @property
    def pictured(self) -> Sequence[Method]:
        """The methods that pictures show."""
        return self.best_settings.contenders if self.is_crowded else self.methods

    @property
    def class_fraction(self) -> float:
        """The fraction of labels to show each class at: the smallest with the most methods."""
        methods = self.pictured
        return max(fractions(methods), key=lambda p_s: (sum(p_s in m.cells for m in methods), -p_s))


@dataclass(frozen=True, eq=False)
class Studies:
    """All training runs under some folders.

    Attributes:
        sections: Runs that compare, in the order of their titles.
        left_out: A sentence for each run that is not in any section though it is complete.
        unfinished: Folders of runs that are not finished.
    """

    sections: Sequence[Study]
    left_out: Sequence[str]
    unfinished: Sequence[Path]


def read_studies(
    folders: Sequence[Path], metric: str | None = None, baseline: str | None = None
) -> Studies:
    """Read runs, sort them into sections that do not compare, and compare the runs of each.

    Args:
        folders: Folders that hold runs, at any depth.
        metric: Metric of metrics.json, for the main table and the curve of the sections that have
            it; in the others, and for None, the one that
            `musicssl.evaluation.metrics.primary_metric` chooses.
        baseline: Label or name of a method, see `musicssl.report.analysis.grouping.baseline_first`;
            sections without it take the one that None chooses.

    Raises:
        InputError: If there is no such folder, or if no section has the metric or the baseline.
    """
    found = read_runs(folders)
    sections = {title: group(runs) for title, runs in sections_of(pooled(found.runs)).items()}
    everything = [method for methods in sections.values() for method in methods]
    if metric is not None and everything:
        check_metric(everything, metric)
    if baseline is not None and everything and not is_called(everything, baseline):
        baseline_first(everything, baseline)  # raises: it lists the labels of all sections
    studies = [
        make_study(
            baseline_first(methods, baseline if _has(methods, baseline) else None),
            metric if metric is not None and is_known(methods, metric) else None,
            title if len(sections) > 1 else "",
        )
        for title, methods in sections.items()
    ]
    return Studies(studies, found.left_out, found.unfinished)


def make_study(methods: Sequence[Method], metric: str | None = None, title: str = "") -> Study:
    """Compare methods.

    Args:
        methods: The baseline first.
        metric: For the main table and the curve; None for the primary one.
        title: See `Study`.
    """
    if metric is None:
        metric = primary_metric([name for name in measured(methods) if is_known(methods, name)])
    return Study(
        methods=methods,
        metric=metric,
        comparisons=compare_all(methods),
        matches=match_all(methods, metric),
        robustness=robustness_study(methods, metric),
        unlabelled=unlabelled_study(methods, metric),
        linear_probes=linear_probes(methods, metric),
        timelines=timelines(methods, metric),
        best_settings=best_settings(methods),
        title=title,
    )


def _has(methods: Sequence[Method], baseline: str | None) -> bool:
    return baseline is not None and is_called(methods, baseline)
