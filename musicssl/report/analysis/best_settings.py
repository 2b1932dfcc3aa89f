"""Methods whose settings were chosen on validation clips, compared with all others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from musicssl.evaluation.metrics import metric_info, percent
from musicssl.evaluation.statistics.spread import Spread, spread
from musicssl.evaluation.tasks import task_named
from musicssl.report.analysis.choices import (
    Choice,
    Rivals,
    Setting,
    choose,
    composite,
    macro,
    rivals,
)
from musicssl.report.analysis.comparisons import Comparison, compare_all
from musicssl.report.analysis.grids import Grid, main_grids, other_grids
from musicssl.report.analysis.grouping import Cell, Method

ALL = "all classes, one setting"


@dataclass(frozen=True, eq=False)
class ChoiceTable:
    """A row for each class, and one for the best single setting; has the attributes of `Grid`.

    Attributes:
        choice: The settings to show.
    """

    choice: Choice
    head = "class"
    note = None
    columns = ("chosen setting", "validation", "test")

    @property
    def title(self) -> str:
        """The metric, the method and the fraction of labels."""
        name, p_s = self.choice.name, percent(self.choice.p_s)
        heading = metric_info(self.choice.metric).heading
        return f"{heading} of {name} at {p_s} of the labels, best settings"

    @property
    def seeds(self) -> str:
        """The number of seeds, the same everywhere."""
        number = len(self.choice.seeds)
        return "1 seed" if number == 1 else f"{number} seeds"

    @cached_property
    def rows(self) -> Mapping[str, tuple[Setting, Spread, Spread]]:
        """By class: the chosen setting, its spread on validation and on test clips.

        The last row is of the best single setting, and of macro means.
        """
        classes = next(iter(self.choice.of_all.runs.values())).test_set.classes
        single = self.choice.of_all
        of_classes = {
            name: (setting, spread(setting.validation[:, c]), spread(setting.test[:, c]))
            for c, (name, setting) in enumerate(zip(classes, self.choice.of_classes, strict=True))
        }
        of_all = (single, spread(macro(single.validation)), spread(macro(single.test)))
        return of_classes | {ALL: of_all}

    def texts(self, label: str) -> list[str]:
        """Write the cells of a row."""
        setting, validation, test = self.rows[label]
        return [setting.text, str(validation), str(test)]

    def is_best(self, label: str, column: int) -> bool:
        """Say of no class that it is the best one."""
        return False


@dataclass(frozen=True, eq=False)
class BestSettings:
    """Choices, and the methods that result from them.

    Attributes:
        choices: By name and fraction of labels; empty if nothing can be chosen.
        chosen: For each name with a choice, the best single setting and then the composite, which
            scores each class by the best setting of that class. Where a clip has one class there is
            no composite, because probabilities that sum to 1 must come from one model.
        contenders: `chosen`, and the methods of other names at the fractions that have a choice;
            the baseline first.
        comparisons: All pairs of contenders on macro AUROC.
        not_chosen: Settings that share a name and cannot be chosen from.
    """

    choices: Sequence[Choice]
    chosen: Sequence[Method]
    contenders: Sequence[Method]
    comparisons: Sequence[Comparison]
    not_chosen: Sequence[Rivals]

    @property
    def tables(self) -> list[ChoiceTable]:
        """The settings chosen for each class."""
        return [ChoiceTable(choice) for choice in self.choices]

    def main_grids(self, metric: str) -> list[Grid]:
        """Lay out the contenders, see `musicssl.report.analysis.grids.main_grids`."""
        return _titled(main_grids(self.contenders, metric) if self.choices else [])

    def other_grids(self, metric: str) -> list[Grid]:
        """Lay out the contenders, see `musicssl.report.analysis.grids.other_grids`."""
        return _titled(other_grids(self.contenders, metric) if self.choices else [])


def best_settings(methods: Sequence[Method]) -> BestSettings:
    """Choose among the settings that share a name, and compare the chosen ones with the others.

    Args:
        methods: The baseline first. If it is a setting that shares its name, the best single
            setting of that name takes its place.

    Raises:
        InputError: If a file of predictions is damaged.
    """
    candidates = rivals(methods)
    choices = [choose(one) for one in candidates if one.can_be_chosen_from]
    chosen = _chosen(choices)
    contenders = _contenders(methods, chosen)
    return BestSettings(
        choices=choices,
        chosen=chosen,
        contenders=contenders,
        comparisons=compare_all(contenders) if contenders else [],
        not_chosen=[one for one in candidates if not one.can_be_chosen_from],
    )


def _chosen(choices: Sequence[Choice]) -> list[Method]:
    methods = []
    for name in dict.fromkeys(choice.name for choice in choices):
        own = [choice for choice in choices if choice.name == name]
        single = {choice.p_s: Cell(choice.of_all.runs) for choice in own}
        methods.append(Method(f"{name} (best single setting)", name, single))
        test_set = next(iter(own[0].of_all.runs.values())).test_set
        if not task_named(test_set.task).one_class_per_clip:
            composites = {choice.p_s: composite(choice) for choice in own}
            methods.append(Method(f"{name} (best setting of each class)", name, composites))
    return methods


def _contenders(methods: Sequence[Method], chosen: Sequence[Method]) -> list[Method]:
    """Put the baseline first: the given one, or the best single setting of its name."""
    names = {method.name for method in chosen}
    fractions = {p_s for method in chosen for p_s in method.cells}
    rest = [_only_at(method, fractions) for method in methods if method.name not in names]
    contenders = [*chosen, *(method for method in rest if method.cells)]
    of_baseline = [method for method in contenders if method.name == methods[0].name]
    first = [*of_baseline, *contenders][:1]
    return [*first, *(method for method in contenders if method not in first)]


def _only_at(method: Method, fractions: set[float]) -> Method:
    cells = {p_s: cell for p_s, cell in method.cells.items() if p_s in fractions}
    return Method(method.label, method.name, cells)


def _titled(grids: Sequence[Grid]) -> list[Grid]:
    return [replace(grid, title=f"Settings chosen on validation, {grid.title}") for grid in grids]
