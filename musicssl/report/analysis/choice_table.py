"""The table of the settings that validation chose."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from musicssl.evaluation.metrics import metric_info, percent
from musicssl.evaluation.statistics.spread import Spread, spread
from musicssl.report.analysis.choosing import Choice, Setting, macro

ALL = "all classes, one setting"


@dataclass(frozen=True, eq=False)
class ChoiceTable:
    """A row for each class, and one for the best single setting; written as a `Grid` is.

    Attributes:
        choice: What is shown.
    """

    choice: Choice
    head = "class"
    note = None
    columns = ("chosen setting", "validation", "test")

    @property
    def title(self) -> str:
        """What the values are."""
        chosen, name = self.choice, metric_info(self.choice.metric).heading
        return f"{name} of {chosen.name} at {percent(chosen.p_s)} of the labels, best settings"

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
        classes = next(iter(self.choice.of_all.runs.values())).truth.classes
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
