"""What `musicssl latents` leaves: tables as CSV and JSON, pictures, and a table on the screen."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.melodies import Melodies
from musicssl.documents import csv_field, write_atomically, write_json
from musicssl.errors import printable
from musicssl.evaluation.latents.measures import Measures
from musicssl.figures.feature_axis import feature_axis, level_parts
from musicssl.figures.latent_information import draw_information
from musicssl.figures.latent_map import draw_latent_map
from musicssl.figures.latent_walks import WalkPanel, draw_feature_walks, draw_melody_walks
from musicssl.figures.style import save_png
from musicssl.methods.generative.summary import ClipSummary
from musicssl.runs.latent_space import EncodedClips, Walk

_MOST_WALKS = 9  # in the picture
_LEAST_WIDTH = 12  # of the names in the table, which fits into 80 columns
_MEASURES = ("mig", "dmig", "xmig", "dlig", "sap", "scc", "interpretability")
_UNDEFINED = "\N{EN DASH}"
_HEADS = {
    "interpretability": "int.",
    "modularity": "mod.",
    "smoothness": "smo.",
    "monotonicity": "mon.",
}


@dataclass(frozen=True, eq=False)
class LatentResults:
    """The measures of a latent space, and what they were computed from.

    Attributes:
        names: Names of the attributes, (M).
        clips: The encoded clips.
        measures: Of them.
        walks: Along the dimension of each attribute that has one.
        made_of: Checkpoint, split and settings, plain values.
    """

    names: Sequence[str]
    clips: EncodedClips
    measures: Measures
    walks: Sequence[Walk]
    made_of: dict[str, Any]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each attribute: its kind, its dimension, all measures."""
        found = self.measures
        of_walk = {walk.attribute: walk for walk in self.walks}
        rows: list[dict[str, Any]] = []
        for i, name in enumerate(self.names):
            d, walk = found.dimensions[i], of_walk.get(i)
            rows.append(
                {
                    "attribute": name,
                    "kind": "discrete" if found.discrete[i] else "continuous",
                    "dimension": d,
                    "entropy": float(found.information.entropies[i]),
                    **{key: float(found.of_attributes[key][i]) for key in _MEASURES},
                    "modularity": float("nan") if d is None else float(found.modularity[d]),
                    "smoothness": float("nan") if walk is None else walk.smoothness,
                    "monotonicity": float("nan") if walk is None else walk.monotonicity,
                    "known_walks": 0.0 if walk is None else walk.known,
                }
            )
        return rows

    def means(self) -> dict[str, float]:
        """Return means over attributes; see `Measures.means`."""
        of_walks = {
            name: np.array([getattr(walk, name) for walk in self.walks])
            for name in ("smoothness", "monotonicity")
        }
        known = {name: values[~np.isnan(values)] for name, values in of_walks.items()}
        return self.measures.means() | {
            name: float(values.mean()) if len(values) else float("nan")
            for name, values in known.items()
        }


def write_latents(
    folder: Path,
    results: LatentResults,
    datamodule: SemiSupervisedDataModule,
    summary: ClipSummary | None,
) -> list[Path]:
    """Write latents.csv, latents.json and the pictures; return their paths.

    Args:
        folder: To write to; it is made if needed.
        results: What is written.
        datamodule: Data module of the clips; its dataset names features, or tokens.
        summary: Summary that features are decoded to; None if they are not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table, document = folder / "latents.csv", folder / "latents.json"
    rows, text = results.rows(), StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: csv_field(value) for key, value in row.items()} for row in rows)
    write_atomically(table, text.getvalue())
    information = results.measures.information
    write_json(
        document,
        {
            **results.made_of,
            "clips": len(results.clips.z),
            "estimator": information.estimator,
            "regularised": results.measures.regularised,
            "means": results.means(),
            "attributes": rows,
            "modularity": results.measures.modularity.tolist(),
            "information": information.latents.tolist(),
            "information_between_attributes": information.attributes.tolist(),
        },
    )
    figures = {
        "latent_information": _information_figure(results),
        "latent_map": _map_figure(results),
        "traversals": _walks_figure(results, datamodule, summary),
    }
    drawn = [
        save_png(folder / f"{name}.png", figure)
        for name, figure in figures.items()
        if figure is not None
    ]
    return [table, document, *drawn]


def latents_table(results: LatentResults) -> Table:
    """Lay out the measures: a row for each attribute, the means as the last."""
    keys = [*_MEASURES, "modularity", "smoothness", "monotonicity"]
    means = {name.partition("_")[0]: value for name, value in results.means().items()}
    keys = [key for key in keys if not np.isnan(means[key])]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    width = min(max(map(cell_len, ("attribute", *results.names))), _LEAST_WIDTH)
    table.add_column("attribute", min_width=width, max_width=24, overflow="fold")
    for head in ("dim", *(_HEADS.get(key, key.upper()) for key in keys)):
        table.add_column(head, justify="right", no_wrap=True)
    for row in results.rows():
        d = _UNDEFINED if row["dimension"] is None else str(row["dimension"])
        # Text: brackets in a name are no markup
        name = Text(printable(row["attribute"]))
        table.add_row(name, d, *(_rounded(row[key]) for key in keys))
    table.add_section()
    table.add_row("mean", "", *(_rounded(means[key]) for key in keys), style="bold")
    return table


def _information_figure(results: LatentResults) -> Figure:
    found = results.measures
    entropies = found.information.entropies
    shares = found.information.latents / np.where(entropies > 0, entropies, np.nan)
    meaning = f"mutual information over entropy\n(estimator: {found.information.estimator})"
    return draw_information(results.names, shares, found.dimensions, meaning)


def _map_figure(results: LatentResults) -> Figure | None:
    """Draw each attribute over two dimensions: its own, and the next most informative one."""
    latents = results.measures.information.latents
    pairs: list[tuple[int, int] | None] = []
    if len(latents) < 2:
        return None
    for column, d in zip(latents.T, results.measures.dimensions, strict=True):
        if d is None:
            pairs.append(None)
            continue
        others = np.where(np.arange(len(column)) == d, -1, np.nan_to_num(column))
        pairs.append((d, int(others.argmax())))
    clips = results.clips
    return draw_latent_map(results.names, clips.z, clips.y, clips.mask, pairs)


def _walks_figure(
    results: LatentResults, datamodule: SemiSupervisedDataModule, summary: ClipSummary | None
) -> Figure | None:
    dataset = datamodule.dataset
    walks = results.walks[:_MOST_WALKS]
    if not walks:
        return None
    head = "What is decoded along the dimension of each attribute, two deviations to either side"
    if isinstance(dataset, Melodies):
        contents = [dataset.pitches_of(walk.decoded) for walk in walks]
        return draw_melody_walks(_panels(results, walks, contents), head)
    decoded = [walk.decoded.reshape(len(walk.places), -1) for walk in walks]
    if summary is None or decoded[0].shape[1] != summary.dim:
        return draw_feature_walks(_panels(results, walks, decoded), "feature", "difference", head)
    axis = feature_axis(dataset, int(datamodule.sizes["num_features"]))
    parts = [level_parts(one, summary.kind, summary.num_instances, axis)[0] for one in decoded]
    curves = [part.values for part in parts]
    unit = "" if axis.difference == "difference" else f" ({axis.difference})"
    value = f"difference of {parts[0].name}{unit}"
    return draw_feature_walks(_panels(results, walks, curves), axis.feature, value, head)


def _panels(
    results: LatentResults, walks: Sequence[Walk], contents: Sequence[Any]
) -> list[WalkPanel]:
    return [
        WalkPanel(results.names[w.attribute], w.dimension, w.places, content, w.course)
        for w, content in zip(walks, contents, strict=True)
    ]


def _rounded(value: float) -> str:
    return _UNDEFINED if np.isnan(value) else f"{value:.2f}"
