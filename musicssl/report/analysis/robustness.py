"""Metrics of methods under corruptions of sound: mean and spread over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from musicssl.evaluation.metrics import metric_info, percent, primary_metric
from musicssl.evaluation.robustness_table import Robustness
from musicssl.evaluation.statistics.spread import Spread, spread
from musicssl.figures.robustness_curve import most_harmful_first
from musicssl.report.analysis.grids import Grid
from musicssl.report.analysis.grouping import Method, largest_common_fraction


@dataclass(frozen=True, eq=False)
class RobustnessStudy:
    """Methods that were all tested under the same corruptions, at one fraction of labels.

    Attributes:
        p_s: The fraction.
        metric: Metric of the tables.
        tables: Tables of each seed, by the label of the method.
    """

    p_s: float
    metric: str
    tables: Mapping[str, Sequence[Robustness]]

    @property
    def metric_name(self) -> str:
        """The heading of the metric."""
        return metric_info(self.metric).heading

    @cached_property
    def means(self) -> dict[str, Robustness]:
        """The metric of each method, mean over seeds."""
        return {
            label: Robustness(
                {self.metric: self.clean(label).mean},
                {key: {self.metric: self.at(label, *key).mean} for key in seeds[0].judged},
            )
            for label, seeds in self.tables.items()
        }

    def clean(self, label: str) -> Spread:
        """Take mean and spread over the seeds of a method on clips without corruption."""
        return spread(table.clean[self.metric] for table in self.tables[label])

    def at(self, label: str, name: str, severity: float) -> Spread:
        """Take mean and spread over the seeds of a method under a corruption."""
        return spread(table.judged[name, severity][self.metric] for table in self.tables[label])

    @property
    def grid(self) -> Grid:
        """The table of the largest severity, the corruption that harms most first."""
        means = list(self.means.values())
        worst = means[0].severities[-1]
        names = [
            name
            for name in most_harmful_first(means, self.metric)
            if (name, worst) in means[0].judged
        ]
        rows = {
            label: (self.clean(label), *(self.at(label, name, worst) for name in names))
            for label in self.tables
        }
        errors = tuple(range(len(names) + 1)) if metric_info(self.metric).smaller_is_better else ()
        title = f"{self.metric_name} at severity {worst:g} and {percent(self.p_s)} of the labels"
        columns = ("clean", *(name.replace("_", " ") for name in names))
        return Grid(title, columns, rows, errors)


def robustness_study(methods: Sequence[Method], metric: str) -> RobustnessStudy | None:
    """Gather the metrics under corruptions, at the most labels at which all runs have them.

    Args:
        methods: To compare.
        metric: Metric of the study; if the runs lack it under corruptions, `primary_metric` is
            taken.

    Returns:
        None if some runs were not tested, or under other corruptions or severities than others.
    """
    p_s = largest_common_fraction(methods, lambda run: run.robustness is not None)
    if p_s is None:
        return None
    tables = {
        method.label: [
            run.robustness for run in method.cells[p_s].runs.values() if run.robustness is not None
        ]
        for method in methods
    }
    keys = {frozenset(table.judged) for seeds in tables.values() for table in seeds}
    if len(keys) > 1 or not next(iter(keys)):
        return None
    names = tables[methods[0].label][0].clean
    return RobustnessStudy(p_s, primary_metric(names, wanted=metric), tables)
