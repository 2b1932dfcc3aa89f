"""Probes of embeddings with layers: which layer is chosen, and how good each one is."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.documents import csv_field, null_to_nan
from musicssl.evaluation.metrics import metric_info, percent
from musicssl.evaluation.tasks import task_named
from musicssl.figures.layers import draw_layers
from musicssl.figures.style import save_png
from musicssl.probing.base import Embeddings, Probe
from musicssl.runs.probes.folder import ProbeFolder
from musicssl.runs.probes.source import Layers
from musicssl.runs.probes.trials import Draw, Trial, embeddings_of

Macros = Sequence[Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class LayerTrials:
    """Probes of the layers of an encoder.

    Attributes:
        names: Names of the layers, (L,).
        trials: Those of each layer, L times one for each draw; empty if one probe reads all layers.
    """

    names: Sequence[str]
    trials: Sequence[Sequence[Trial]]


def fit_each_layer(
    probe: Probe,
    layers: Layers,
    datamodule: SemiSupervisedDataModule,
    drawn: Sequence[Draw],
    device: torch.device,
) -> tuple[list[Trial], LayerTrials]:
    """Fit a probe of each layer to each draw, and choose a layer for each draw.

    That is the layer with the lowest loss on the validation clips, of equal ones the first. Test
    clips are scored for all layers, but choose nothing.

    Args:
        probe: To be fitted.
        layers: Layers of the embeddings.
        datamodule: Data module of a corpus of embeddings, whose clips are (N, L, D).
        drawn: What to learn from.
        device: To compute on.

    Returns:
        The trials of the chosen layers, one for each draw, and those of all layers.
    """
    train, val, test = (embeddings_of(datamodule, s, device) for s in ("train", "val", "test"))
    subsets = [torch.from_numpy(draw.rows).to(device) for draw in drawn]
    task = task_named(datamodule.corpus.task)
    of_layers = []
    for number, width in enumerate(layers.widths):
        parts = (_layer(part, number, width) for part in (train, val))
        learnt, validating = parts
        fitted = probe.fit(learnt, subsets, validating, task)
        h = _layer(test, number, width).h
        of_layers.append(
            [
                Trial(draw, one.val_loss, dict(one.chosen), one.judge(h).float().cpu())
                for draw, one in zip(drawn, fitted, strict=True)
            ]
        )
    chosen = [_chosen(trials) for trials in zip(*of_layers, strict=True)]
    return chosen, LayerTrials(layers.names, of_layers)


def _layer(embeddings: Embeddings, number: int, width: int) -> Embeddings:
    return embeddings._replace(h=embeddings.h[:, number, :width].contiguous())


def _chosen(trials: Sequence[Trial]) -> Trial:
    """Return the trial of one draw with the lowest validation loss, which names its layer."""
    number = min(range(len(trials)), key=lambda layer: trials[layer].val_loss)
    best = trials[number]
    return replace(best, chosen={"layer": number, **best.chosen})


def summary(
    layers: LayerTrials, macros: Sequence[Macros], trials: Sequence[Trial], metric: str
) -> dict[str, Any]:
    """Summarise the layers for probe.json.

    Args:
        layers: Their trials.
        macros: Test metrics of each of those trials, in the same order.
        trials: Those of the chosen layers, or of the probe of all layers, one for each draw.
        metric: The one that is usual for the task.

    Returns:
        `names`, and `cells`: at each fraction `p_s`, for each layer the mean metric over the draws
        and by how many draws it was chosen, or its mean weight.
    """
    cells = []
    for p_s in dict.fromkeys(trial.draw.p_s for trial in trials):
        here = [i for i, trial in enumerate(trials) if trial.draw.p_s == p_s]
        if not layers.trials:
            weights = np.mean([trials[i].layer_weights for i in here], axis=0)
            cells.append({"p_s": p_s, "weight": weights.tolist()})
            continue
        picked = [int(trials[i].chosen["layer"]) for i in here]
        cells.append(
            {
                "p_s": p_s,
                "mean": [float(np.mean([of_one[i][metric] for i in here])) for of_one in macros],
                "chosen": np.bincount(picked, minlength=len(layers.names)).tolist(),
            }
        )
    return {"names": list(layers.names), "cells": cells}


def write_layers(
    folder: ProbeFolder, layers: LayerTrials, macros: Sequence[Macros], trials: Sequence[Trial]
) -> None:
    """Write layers.csv: a row for each layer and draw.

    Args:
        folder: To write to.
        layers: Their trials.
        macros: Test metrics of each of those trials, in the same order.
        trials: See `summary`.
    """
    with folder.layers.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        head = ["layer", "name", "p_s", "seed", "labelled"]
        if not layers.trials:
            writer.writerow([*head, "weight"])
        else:
            writer.writerow([*head, "chosen", "val_loss", *macros[0][0]])
        for number, name in enumerate(layers.names):
            for i, trial in enumerate(trials):
                draw = trial.draw
                row = [number, csv_field(name), draw.p_s, draw.seed, len(draw.rows)]
                if not layers.trials:
                    writer.writerow([*row, trial.layer_weights[number]])
                    continue
                chosen = int(trial.chosen["layer"] == number)
                values = map(csv_field, macros[number][i].values())
                writer.writerow([*row, chosen, layers.trials[number][i].val_loss, *values])


def draw_layer_curves(folder: ProbeFolder, document: Mapping[str, Any]) -> None:
    """Draw a metric, or a weight, over the layers, to figures/layers.png.

    Args:
        folder: To write to.
        document: The results, with `layers`; see `summary`.
    """
    layers, metric = document["layers"], document["metric"]
    cells = {f"{percent(cell['p_s'])} of the labels": cell for cell in layers["cells"]}
    of = f"{document['source']['label']} on {document['corpus']}"
    if "weight" in layers["cells"][0]:
        curves = {name: cell["weight"] for name, cell in cells.items()}
        figure = draw_layers(layers["names"], curves, "weight", f"{of}: learnt weights of layers")
    else:
        curves = {name: [*map(null_to_nan, cell["mean"])] for name, cell in cells.items()}
        chosen = {name: cell["chosen"] for name, cell in cells.items()}
        chance = document["chance"].get(metric)
        reference = None if chance is None or math.isnan(chance) else (chance, "chance")
        title = f"{of}: {document['probe']} probes of each layer, means over draws of labels"
        heading = metric_info(metric).heading
        figure = draw_layers(layers["names"], curves, heading, title, chosen, reference)
    save_png(folder.figures / "layers.png", figure)
