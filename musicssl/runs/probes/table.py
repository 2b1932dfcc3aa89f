"""The results of a probe on the screen."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from musicssl.errors import printable
from musicssl.evaluation.metrics import metric_info, percent
from musicssl.evaluation.statistics.significance import p_equation
from musicssl.runs.artifacts.robustness import show_robustness
from musicssl.runs.probes.folder import ProbeFolder
from musicssl.runs.probes.results import headline_metrics

_WIDTH = 100  # columns where the output is no terminal
_INTERVAL_WIDTH = len("0.753 (0.714–0.794)") + 3  # columns of a mean and its interval, and a gap
_NAME_WIDTH = 24  # columns kept for the names of embeddings and their size

Document = Mapping[str, Any]


def show_probe(folder: ProbeFolder, baselines: Sequence[ProbeFolder] = ()) -> None:
    """Print the table of a complete probe beside its baselines, and say where the rest lies."""
    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH  # a log file has no width of its own
    document = folder.document()
    documents = [document, *(baseline.document() for baseline in baselines)]
    for metric in headline_metrics(document["task"], document["macro"]):
        console.print(printable(heading(document, metric)), markup=False)
        console.print(probe_table(documents, metric, console.width))
    console.print(reading(document))
    if "layers" in document:
        console.print(printable(_of_layers(document)), markup=False)
        console.print(layer_table(document))
    for sentence in comparisons(document):
        console.print(printable(sentence), markup=False)
    if folder.robustness.is_file():
        show_robustness(folder, console)
    place = folder.path
    place = place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place
    console.print(printable(f"Tables, scores and pictures: {place}"), markup=False)


def heading(document: Document, metric: str) -> str:
    """Return the heading of a table."""
    clips, probe = document["clips"], document["probe"]
    name = metric_info(metric).heading
    text = (
        f"{name[0].upper()}{name[1:]} of {clips['test']:,} test clips of {document['corpus']}; "
        f"{probe} probes"
    )
    chosen = ", ".join(document["fits"][0]["chosen"])
    return text + (f", {chosen} chosen on {clips['val']:,} validation clips" if chosen else "")


def reading(document: Document) -> str:
    """Explain the numbers of the tables."""
    fits = [fit["p_s"] for fit in document["fits"]]
    draws = max(map(fits.count, fits))
    of = f"Means over {draws} draws of labels (of all there is one); " if draws > 1 else ""
    groups = document["groups"]
    drawn = "test clips" if groups is None else f"the {groups:,} groups of test clips"
    return of + f"in brackets 95 % intervals over {drawn}."


def probe_table(documents: Sequence[Document], metric: str, width: int = _WIDTH) -> Table:
    """Lay out a metric: a row for each encoder and one for chance, a column for each fraction.

    Args:
        documents: Results of probes of the same kind on the same clips, the main one first.
        metric: In all of them.
        width: Width of the table, in columns of the terminal. If the names would not fit beside
            the numbers, intervals stand beneath them.
    """
    main = documents[0]
    fractions = len(main["cells"])
    beneath = fractions * _INTERVAL_WIDTH > width - _NAME_WIDTH
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("embeddings", min_width=12, overflow="fold")
    table.add_column("size", justify="right")
    for cell in main["cells"]:
        clips = "clip" if cell["labelled"] == 1 else "clips"
        head = f"{percent(cell['p_s'])}\n{cell['labelled']:,} {clips}"
        table.add_column(head, justify="right", no_wrap=True)
    for number, document in enumerate(documents):
        cells = {cell["p_s"]: cell for cell in document["cells"]}
        values = [_cell(cells.get(cell["p_s"]), metric, beneath) for cell in main["cells"]]
        label = Text(printable(document["source"]["label"]))
        style = "" if number else "bold"
        table.add_row(label, str(document["embed_dim"]), *values, style=style)
    chance = _rounded(main["chance"].get(metric))
    table.add_row("chance", "", *[chance] * len(main["cells"]), style="dim")
    return table


def _of_layers(document: Document) -> str:
    """Return the heading of the table of layers."""
    if "weight" in document["layers"]["cells"][0]:
        return "Weights of the layers, means over draws of labels:"
    name = metric_info(document["metric"]).heading
    return (
        f"{name[0].upper()}{name[1:]} of each layer, means over draws of labels; in brackets how "
        "many draws chose it on validation clips:"
    )


def layer_table(document: Document) -> Table:
    """Lay out the layers: a row for each, a column for each fraction of labels."""
    layers = document["layers"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer", overflow="fold")
    for cell in layers["cells"]:
        table.add_column(percent(cell["p_s"]), justify="right", no_wrap=True)
    for number, name in enumerate(layers["names"]):
        values = [_of_layer(cell, number) for cell in layers["cells"]]
        table.add_row(Text(printable(name)), *values)
    return table


def _of_layer(cell: Mapping[str, Any], number: int) -> str:
    if "weight" in cell:
        return _rounded(cell["weight"][number])
    count = cell["chosen"][number]
    return _rounded(cell["mean"][number]) + (f" ({count})" if count else "    ")


def comparisons(document: Document) -> list[str]:
    """Say how far the main probe is from each baseline, and how surely, at each fraction."""
    rows = [row for row in document["against"] if row["difference"] is not None]
    name = metric_info(document["metric"]).heading
    lines = []
    for baseline in dict.fromkeys(row["with"] for row in rows):
        lines.append(f"{name} less that of {baseline} (paired bootstrap over test clips):")
        lines += [_line(row) for row in rows if row["with"] == baseline]
    return lines


def _line(row: Mapping[str, Any]) -> str:
    p = p_equation(row["p"], is_bound=row["p_is_bound"])
    share = f"{percent(row['p_s'])} of the labels"
    return f"  {share}: {row['difference']:+.3f} ({_signed(row['interval'])}), {p}"


def _signed(interval: Sequence[float | None]) -> str:
    return " to ".join("undefined" if end is None else f"{end:+.3f}" for end in interval)


def _cell(cell: Mapping[str, Any] | None, metric: str, beneath: bool) -> str:
    if cell is None:
        return ""
    low, high = cell["interval"].get(metric, (None, None))
    dash = "\N{EN DASH}" if low is None or low >= 0 else " to "
    interval = "" if low is None else f"({_rounded(low)}{dash}{_rounded(high)})"
    mean, separator = _rounded(cell["mean"][metric]), "\n" if beneath else " "
    return f"{mean}{separator}{interval}" if interval else mean


def _rounded(value: float | None) -> str:
    return "\N{EN DASH}" if value is None or math.isnan(value) else f"{value:.3f}"
