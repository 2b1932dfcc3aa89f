"""The table robustness.csv: metrics of a method under corruptions of sound."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from musicssl.documents import csv_field, csv_number, write_atomically
from musicssl.errors import InputError

CLEAN = "none"  # the corruption of severity 0

Macro = Mapping[str, float]


@dataclass(frozen=True)
class Robustness:
    """Overall metrics of a split's clips, clean and corrupted.

    Attributes:
        clean: Metrics of the clean clips.
        judged: Metrics of the corrupted clips, by the name of the corruption and the severity,
            above 0. Corruptions may have been evaluated at different severities.
    """

    clean: Macro
    judged: Mapping[tuple[str, float], Macro]

    @property
    def severities(self) -> tuple[float, ...]:
        """All severities at which some corruption was evaluated, ascending."""
        return tuple(sorted({severity for _, severity in self.judged}))

    @property
    def corrupted(self) -> dict[str, tuple[Macro, ...]]:
        """Metrics by the name of the corruption, in ascending order of the severity."""
        names = dict.fromkeys(name for name, _ in self.judged)
        return {
            name: tuple(self.judged[key] for key in sorted(self.judged) if key[0] == name)
            for name in names
        }

    def curve(self, name: str, metric: str) -> list[float]:
        """Return a metric under a corruption from severity 0 up; NaN where it was not evaluated."""
        macros = [self.judged.get((name, severity), {}) for severity in self.severities]
        return [self.clean[metric], *(macro.get(metric, math.nan) for macro in macros)]

    def mean_curve(self, metric: str) -> list[float]:
        """Return the mean over all corruptions from severity 0 up; NaN where one is missing."""
        curves = [self.curve(name, metric) for name in self.corrupted]
        return [sum(values) / len(values) for values in zip(*curves, strict=True)]

    def write(self, path: Path) -> None:
        """Write a row for each corruption and severity; an undefined metric is an empty field."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["corruption", "severity", *self.clean])
        writer.writerow([CLEAN, 0, *map(csv_field, self.clean.values())])
        names = list(self.corrupted)
        for name, severity in sorted(self.judged, key=lambda key: (names.index(key[0]), key[1])):
            macro = self.judged[name, severity]
            shown = str(severity).removesuffix(".0")
            writer.writerow([name, shown, *(csv_field(macro[key]) for key in self.clean)])
        write_atomically(path, text.getvalue())


def read_robustness(path: Path) -> Robustness:
    """Read a table that `Robustness.write` wrote.

    Raises:
        InputError: If it is damaged.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            clean, *corrupted = [_parsed(row) for row in csv.DictReader(file)]
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise _damaged(path) from error
    judged = {(name, severity): macro for name, severity, macro in corrupted}
    if clean[0] != CLEAN or len(judged) < len(corrupted):
        raise _damaged(path)
    return Robustness(clean[2], judged)


def _parsed(row: dict[str, str]) -> tuple[str, float, Macro]:
    """Return corruption, severity and metrics."""
    name, severity = row.pop("corruption"), float(row.pop("severity"))
    macro = {key: csv_number(value) for key, value in row.items()}
    return name, severity, macro


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged or has another format; remove it, it is computed again.")
