"""What corruptions of sound do to a method, as robustness.csv has it."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from musicssl.errors import InputError
from musicssl.run_folder import write_atomically

CLEAN = "none"  # the corruption of severity 0

Macro = Mapping[str, float]


@dataclass(frozen=True)
class Robustness:
    """Overall metrics of a split's clips, as they are and corrupted.

    Attributes:
        severities: Above 0, ascending.
        clean: Metrics of the clips as they are.
        corrupted: Those of each severity, by the name of the corruption.
    """

    severities: tuple[float, ...]
    clean: Macro
    corrupted: Mapping[str, tuple[Macro, ...]]

    def curve(self, name: str, metric: str) -> list[float]:
        """Return a metric under a corruption from severity 0 up."""
        return [self.clean[metric], *(macro[metric] for macro in self.corrupted[name])]

    def write(self, path: Path) -> None:
        """Write a row for each corruption and severity; an undefined metric is an empty field."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["corruption", "severity", *self.clean])
        writer.writerow([CLEAN, 0, *map(_field, self.clean.values())])
        for name, macros in self.corrupted.items():
            for severity, macro in zip(self.severities, macros, strict=True):
                writer.writerow(
                    [name, f"{severity:g}", *(_field(macro[key]) for key in self.clean)]
                )
        write_atomically(path, text.getvalue())


def read_robustness(path: Path) -> Robustness:
    """Read what `Robustness.write` wrote.

    Raises:
        InputError: If it is damaged.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            clean, *others = [_parsed(row) for row in csv.DictReader(file)]
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise _damaged(path) from error
    severities = tuple(sorted({severity for _, severity, _ in others}))
    corrupted: dict[str, tuple[Macro, ...]] = {}
    for name, _, macro in others:
        corrupted[name] = (*corrupted.get(name, ()), macro)
    complete = all(len(macros) == len(severities) for macros in corrupted.values())
    if clean[0] != CLEAN or not complete:
        raise _damaged(path)
    return Robustness(severities, clean[2], corrupted)


def _parsed(row: dict[str, str]) -> tuple[str, float, Macro]:
    """Return corruption, severity and metrics."""
    name, severity = row.pop("corruption"), float(row.pop("severity"))
    return name, severity, {key: float(value) if value else math.nan for key, value in row.items()}


def _field(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged or of another kind; remove it to have it made anew.")
