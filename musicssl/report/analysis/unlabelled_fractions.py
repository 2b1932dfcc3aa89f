"""Methods over the fraction of clips without labels that they use."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from musicssl.evaluation.metrics import metric_info, percent
from musicssl.evaluation.statistics.spread import spread
from musicssl.report.analysis.grids import Grid
from musicssl.report.analysis.grouping import Cell, Method, unique_labels

_SETTING = "data.u_s"


@dataclass(frozen=True, eq=False)
class UnlabelledStudy:
    """Methods that were trained with several fractions u_s, at one fraction of labels.

    Attributes:
        p_s: The fraction of labels.
        metric: Metric of the table and the curve.
        curves: Runs of each u_s, ascending, by the label of the method; two or more each.
    """

    p_s: float
    metric: str
    curves: Mapping[str, Mapping[float, Cell]]

    @property
    def metric_name(self) -> str:
        """The heading of the metric."""
        return metric_info(self.metric).heading

    @property
    def fractions(self) -> list[float]:
        """All u_s, ascending."""
        return sorted({u_s for cells in self.curves.values() for u_s in cells})

    @property
    def grid(self) -> Grid:
        """The table: a row for each method, a column for each u_s."""
        rows = {
            label: tuple(
                cells[u_s].spread(self.metric) if u_s in cells else spread([])
                for u_s in self.fractions
            )
            for label, cells in self.curves.items()
        }
        smaller = metric_info(self.metric).smaller_is_better
        errors = tuple(range(len(self.fractions))) if smaller else ()
        title = (
            f"{self.metric_name} at {percent(self.p_s)} of the labels, by the fraction of clips "
            "without labels that is used"
        )
        return Grid(title, tuple(map(percent, self.fractions)), rows, errors)


def unlabelled_study(methods: Sequence[Method], metric: str) -> UnlabelledStudy | None:
    """Gather methods that differ only in u_s, at the fraction of labels with the most runs.

    Args:
        methods: Methods of a section.
        metric: Metric of the table and the curve.

    Returns:
        None if no method has runs with two or more u_s at one fraction of labels.
    """
    families: defaultdict[tuple[tuple[str, str], ...], dict[float, Method]] = defaultdict(dict)
    for method in methods:
        others = {key: value for key, value in method.settings.items() if key != _SETTING}
        u_s = float(method.settings.get(_SETTING, "1"))
        families[(("name", method.name), *sorted(others.items()))][u_s] = method
    several = [members for members in families.values() if len(members) > 1]
    labels = unique_labels([_named(members) for members in several])
    by_fraction: defaultdict[float, dict[str, dict[float, Cell]]] = defaultdict(dict)
    for label, members in zip(labels, several, strict=True):
        for p_s in {p_s for method in members.values() for p_s in method.cells}:
            cells = {u: m.cells[p_s] for u, m in sorted(members.items()) if p_s in m.cells}
            if len(cells) > 1:
                by_fraction[p_s][label] = cells
    if not by_fraction:
        return None
    p_s = max(by_fraction, key=lambda p_s: (sum(map(len, by_fraction[p_s].values())), -p_s))
    return UnlabelledStudy(p_s, metric, by_fraction[p_s])


def _named(members: Mapping[float, Method]) -> tuple[str, Mapping[str, str]]:
    """Return the name of methods that differ only in u_s, and the settings that they share."""
    first = next(iter(members.values()))
    return first.name, {key: value for key, value in first.settings.items() if key != _SETTING}
