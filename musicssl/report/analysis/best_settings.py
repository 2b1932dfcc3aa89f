"""What becomes of methods whose settings were chosen on validation clips, beside all others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from musicssl.report.analysis.choice_table import ChoiceTable
from musicssl.report.analysis.choosing import Choice, Rivals, choose, rivals
from musicssl.report.analysis.comparisons import Comparison, compare_all
from musicssl.report.analysis.composite import composite
from musicssl.report.analysis.grids import Grid, main_grids, other_grids
from musicssl.report.analysis.grouping import Cell, Method


@dataclass(frozen=True, eq=False)
class BestSettings:
    """Choices, and the methods that they make.

    Attributes:
        choices: By name and fraction of labels; empty if nothing can be chosen.
        chosen: Of each name that there is a choice for, the best single setting and then the
            composite, which judges each class by the best setting of that class. Where a clip has
            one class there is no composite: probabilities that sum to 1 are of one model.
        contenders: `chosen` and the methods whose names are not among theirs, at the fractions at
            which there is a choice; the baseline first.
        comparisons: All pairs of contenders on macro AUROC.
        not_chosen: Settings that share a name, and whose scores on validation are not there or do
            not compare.
    """

    choices: Sequence[Choice]
    chosen: Sequence[Method]
    contenders: Sequence[Method]
    comparisons: Sequence[Comparison]
    not_chosen: Sequence[Rivals]

    @property
    def tables(self) -> list[ChoiceTable]:
        """What was chosen for each class."""
        return [ChoiceTable(choice) for choice in self.choices]

    def main_grids(self, metric: str) -> list[Grid]:
        """Lay out the contenders, see `musicssl.report.analysis.grids.main_grids`."""
        return _titled(main_grids(self.contenders, metric) if self.choices else [])

    def other_grids(self, metric: str) -> list[Grid]:
        """Lay out the contenders, see `musicssl.report.analysis.grids.other_grids`."""
        return _titled(other_grids(self.contenders, metric) if self.choices else [])


def best_settings(methods: Sequence[Method]) -> BestSettings:
    """Choose among the settings that share a name, and compare what comes of it.

    Args:
        methods: The baseline first. If it is a setting that shares its name, the best single
            setting of that name takes its place.

    Raises:
        InputError: If a file of predictions is damaged.
    """
    found = rivals(methods)
    choices = [choose(one) for one in found if one.can_be_chosen_from]
    chosen = _chosen(choices)
    contenders = _contenders(methods, chosen)
    return BestSettings(
        choices=choices,
        chosen=chosen,
        contenders=contenders,
        comparisons=compare_all(contenders) if contenders else [],
        not_chosen=[one for one in found if not one.can_be_chosen_from],
    )


def _chosen(choices: Sequence[Choice]) -> list[Method]:
    methods = []
    for name in dict.fromkeys(choice.name for choice in choices):
        own = [choice for choice in choices if choice.name == name]
        single = {choice.p_s: Cell(choice.of_all.runs) for choice in own}
        methods.append(Method(f"{name} (best single setting)", name, single))
        if next(iter(own[0].of_all.runs.values())).truth.task != "multi_class":
            composites = {choice.p_s: composite(choice) for choice in own}
            methods.append(Method(f"{name} (best setting of each class)", name, composites))
    return methods


def _contenders(methods: Sequence[Method], chosen: Sequence[Method]) -> list[Method]:
    """Put the baseline first: the given one, or the best single setting of its name."""
    names = {method.name for method in chosen}
    fractions = {p_s for method in chosen for p_s in method.cells}
    others = [_only_at(method, fractions) for method in methods if method.name not in names]
    contenders = [*chosen, *(method for method in others if method.cells)]
    of_baseline = [method for method in contenders if method.name == methods[0].name]
    first = [*of_baseline, *contenders][:1]
    return [*first, *(method for method in contenders if method not in first)]


def _only_at(method: Method, fractions: set[float]) -> Method:
    cells = {p_s: cell for p_s, cell in method.cells.items() if p_s in fractions}
    return Method(method.label, method.name, cells)


def _titled(grids: Sequence[Grid]) -> list[Grid]:
    return [replace(grid, title=f"Settings chosen on validation, {grid.title}") for grid in grids]
