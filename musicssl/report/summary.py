"""Mean and spread over seeds: `python -m musicssl.report.summary runs/att runs/fc_t`.

Complete runs whose folders differ only in the seed form one row, `mean ± standard deviation` over
their seeds (n - 1 in the denominator), so that tables can be made from any set of runs.
"""

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from musicssl.command_line import user_errors
from musicssl.errors import InputError

MACRO = ("precision_both", "recall_both", "f1_both", "f1", "auroc", "average_precision")
LOCALISATION = (
    "auroc_weighted",
    "auroc_instance",
    "auroc_within_weighted",
    "auroc_within_instance",
)

Rows = Mapping[str, Mapping[str, Sequence[float]]]


def collect(folders: Sequence[Path]) -> Rows:
    """Read all complete runs under some folders.

    Returns:
        The values over seeds, by metric, by run without its seed.

    Raises:
        InputError: If there is no complete run.
    """
    rows: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    files = {f.resolve(): f for folder in folders for f in sorted(folder.rglob("metrics.json"))}
    for file in files.values():  # each once, though folders may overlap
        name = str(file.parent.with_name(re.sub(r"_s\d+$", "", file.parent.name)))
        document = json.loads(file.read_text())
        values = document["macro"] | (document["localisation"] or {})
        for metric, value in values.items():
            if value is not None:
                rows[name][metric].append(value)
    if not rows:
        listed = ", ".join(map(str, folders))
        raise InputError(f"no complete run under {listed}; train one, or name the folder of runs.")
    return rows


def markdown_table(rows: Rows, metrics: Sequence[str]) -> str:
    """Lay out one row for each run and one column for each metric that some run has."""
    present = [metric for metric in metrics if any(metric in values for values in rows.values())]
    lines = ["| run | seeds | " + " | ".join(present) + " |", "|---" * (len(present) + 2) + "|"]
    for name, values in rows.items():
        seeds = max(len(column) for column in values.values())
        cells = [_spread(values.get(metric, ())) for metric in present]
        lines.append(f"| {name} | {seeds} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    """Write a mean and its spread.

    >>> _spread([0.8, 0.9]), _spread([0.8]), _spread([])
    ('0.8500 ± 0.0707', '0.8000', '–')
    """
    if not values:
        return "–"
    return f"{mean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables of all complete runs under some folders, in Markdown."""
    parser = argparse.ArgumentParser(
        prog="python -m musicssl.report.summary", description=main.__doc__
    )
    parser.add_argument("folders", nargs="+", type=Path)
    with user_errors():
        rows = collect(parser.parse_args(arguments).folders)
        print(markdown_table(rows, MACRO))
        if any(set(LOCALISATION) & set(values) for values in rows.values()):
            print()
            print(markdown_table(rows, LOCALISATION))


if __name__ == "__main__":
    main()
