"""What a probe leaves in its folder: results, tables, scores and pictures."""

import csv
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.documents import csv_field, null_to_nan, write_json
from musicssl.evaluation.chance import chance
from musicssl.evaluation.metrics import METRICS, metric_info, percent, primary_metric
from musicssl.evaluation.predictions import Predictions, measure
from musicssl.evaluation.statistics.bootstrap import interval, replicates
from musicssl.evaluation.tasks import task_named
from musicssl.figures.label_curve import Point, draw_label_curves
from musicssl.figures.run_figures import draw_answers, draw_bars
from musicssl.figures.style import save_png
from musicssl.runs.probes.folder import ProbeFolder
from musicssl.runs.probes.layers import LayerTrials, draw_layer_curves, summary, write_layers
from musicssl.runs.probes.source import Origin
from musicssl.runs.probes.trials import Trial
from musicssl.runs.tables import write_metrics_csv

Document = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Probed:
    """What was probed, with what, and how.

    Attributes:
        origin: Origin of the embeddings.
        embed_dim: Their size, D.
        probe: The word typed after `probe=`.
        settings: The resolved configuration, plain values.
        made_of: Fingerprint of all that the results follow from.
    """

    origin: Origin
    embed_dim: int
    probe: str
    settings: Mapping[str, Any]
    made_of: str


def headline_metrics(task: str, names: Collection[str]) -> list[str]:
    """List the metrics with a table of their own on the screen, and with intervals.

    Args:
        task: Its name.
        names: Names of the metrics that were measured.
    """
    return [
        info.name for info in METRICS.values() if task in info.headline_of and info.name in names
    ]


def write_probe(
    folder: ProbeFolder,
    probed: Probed,
    datamodule: SemiSupervisedDataModule,
    trials: Sequence[Trial],
    layers: LayerTrials | None = None,
) -> None:
    """Write tables, scores, pictures and, last of all, probe.json.

    Args:
        folder: To write to.
        probed: What it was.
        datamodule: Data module that the probe was fitted and tested with.
        trials: By ascending fraction of labels.
        layers: Those of embeddings with layers.
    """
    folder.claim(probed.settings)
    tested = [_predictions(datamodule, trial) for trial in trials]
    credit = datamodule.corpus.credit
    macros = [measure(one, credit).macro for one in tested]
    document = _document(probed, datamodule, trials, macros)
    if layers is not None:
        of_layers = [
            [measure(_predictions(datamodule, trial), credit).macro for trial in of_one]
            for of_one in layers.trials
        ]
        document["layers"] = summary(layers, of_layers, trials, document["metric"])
        write_layers(folder, layers, of_layers, trials)
        draw_layer_curves(folder, document)
    _write_fits(folder, trials, macros)
    _save_scores(folder, datamodule, trials, tested[0])
    most = tested[next(i for i, t in enumerate(trials) if t.draw.p_s == trials[-1].draw.p_s)]
    draw_classes(folder, document, most, credit)
    draw_curve(folder, document, [])
    write_json(folder.metrics, document)


def _predictions(datamodule: SemiSupervisedDataModule, trial: Trial) -> Predictions:
    corpus, rows = datamodule.corpus, datamodule.rows("test")
    y, mask = (part.numpy() for part in datamodule.labels("test"))
    scores = trial.scores.numpy()
    return Predictions(corpus.classes, corpus.clip_ids[rows], scores, y, mask, corpus.task)


def _document(
    probed: Probed,
    datamodule: SemiSupervisedDataModule,
    trials: Sequence[Trial],
    macros: Sequence[Mapping[str, float]],
) -> dict[str, Any]:
    corpus = datamodule.corpus
    cells = _cells(datamodule, trials, macros)
    labels = (*datamodule.labels("train"), *datamodule.labels("test"))
    known = chance(*labels, task_named(corpus.task), corpus.credit)
    return {
        "made_of": probed.made_of,
        "source": probed.origin.as_dict(),
        "corpus": corpus.name,
        "task": corpus.task,
        "metric": primary_metric(macros[0]),
        "probe": probed.probe,
        "embed_dim": probed.embed_dim,
        "clips": {split: len(datamodule.rows(split)) for split in ("train", "val", "test")},
        "chance": known,
        "macro": cells[-1]["mean"],
        "fits": [
            {
                "p_s": trial.draw.p_s,
                "seed": trial.draw.seed,
                "labelled": len(trial.draw.rows),
                "macro": dict(macro),
                "val_loss": trial.val_loss,
                "chosen": dict(trial.chosen),
            }
            for trial, macro in zip(trials, macros, strict=True)
        ],
        "cells": cells,
        "groups": None if corpus.groups is None else _count(corpus.groups[datamodule.rows("test")]),
        "compared_with": [],
        "against": [],
    }


def _count(groups: NDArray[np.str_]) -> int:
    return len(np.unique(groups))


def _cells(
    datamodule: SemiSupervisedDataModule,
    trials: Sequence[Trial],
    macros: Sequence[Mapping[str, float]],
) -> list[dict[str, Any]]:
    """Return means over the draws at each fraction, with intervals over test clips."""
    corpus = datamodule.corpus
    names = headline_metrics(corpus.task, macros[0])
    groups = None if corpus.groups is None else corpus.groups[datamodule.rows("test")]
    drawn = replicates(
        torch.stack([trial.scores for trial in trials]),
        *datamodule.labels("test"),
        task_named(corpus.task),
        names,
        groups=groups,
        credit=corpus.credit,
    )
    cells = []
    for p_s in dict.fromkeys(trial.draw.p_s for trial in trials):
        here = [i for i, trial in enumerate(trials) if trial.draw.p_s == p_s]
        mean = {name: float(np.mean([macros[i][name] for i in here])) for name in macros[0]}
        ends = {name: list(interval(drawn[name][here].mean(0), mean[name])) for name in names}
        labelled = len(trials[here[0]].draw.rows)
        cells.append({"p_s": p_s, "labelled": labelled, "mean": mean, "interval": ends})
    return cells


def _write_fits(
    folder: ProbeFolder, trials: Sequence[Trial], macros: Sequence[Mapping[str, float]]
) -> None:
    settings = list(trials[0].chosen)
    with folder.fits.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["p_s", "seed", "labelled", *settings, "val_loss", *macros[0]])
        for trial, macro in zip(trials, macros, strict=True):
            values = map(csv_field, macro.values())
            chosen = (trial.chosen[name] for name in settings)
            draw = trial.draw
            writer.writerow([draw.p_s, draw.seed, len(draw.rows), *chosen, trial.val_loss, *values])


def _save_scores(
    folder: ProbeFolder,
    datamodule: SemiSupervisedDataModule,
    trials: Sequence[Trial],
    first: Predictions,
) -> None:
    corpus = datamodule.corpus
    known: dict[str, Any] = {}
    if corpus.groups is not None:
        known["groups"] = corpus.groups[datamodule.rows("test")]
    if corpus.credit is not None:
        known["credit"] = corpus.credit
    np.savez_compressed(
        folder.predictions,
        classes=np.array(first.classes),
        clip_ids=first.clip_ids,
        scores=torch.stack([trial.scores for trial in trials]).numpy(),
        targets=first.targets,
        mask=first.mask,
        task=np.array(first.task),
        **known,
    )


def draw_classes(
    folder: ProbeFolder,
    document: Document,
    predictions: Predictions,
    credit: NDArray[np.float32] | None,
) -> None:
    """Draw each class and the answers, and write the table of classes.

    Args:
        folder: To write to.
        document: The results.
        predictions: Predictions of the first draw with the most labels.
        credit: What answers are worth; see `Corpus`.
    """
    metrics = measure(predictions, credit)
    per_class = {name: values.tolist() for name, values in metrics.per_class.items()}
    write_metrics_csv(folder.path / "metrics.csv", predictions.classes, per_class, metrics.macro)
    share = percent(document["cells"][-1]["p_s"])
    title = (
        f"{document['source']['label']} on {document['corpus']}: {document['probe']} probe with "
        f"{share} of the labels"
    )
    in_bars = dict(per_class)
    if document["task"] == "multi_label":  # few probes of rare classes ever exceed 0.5
        del in_bars["f1"]
    draw_bars(folder.figures, predictions.classes, in_bars, title)
    draw_answers(folder.figures, predictions, title)


def draw_curve(folder: ProbeFolder, document: Document, baselines: Sequence[Document]) -> None:
    """Draw how a probe and its baselines do over the fractions of labels, if there are several."""
    if len(document["cells"]) == 1:
        return
    metric = document["metric"]
    curves = {one["source"]["label"]: _points(one, metric) for one in (document, *baselines)}
    probes = f"{document['probe'].capitalize()} probes of {document['corpus']}"
    title = f"{probes}: means over draws of labels, with 95 % intervals over draws"
    chance = document["chance"].get(metric)
    reference = None if chance is None or math.isnan(chance) else (chance, "chance")
    share = "their share of all labelled ones"
    figure = draw_label_curves(curves, metric_info(metric).heading, title, share, reference)
    save_png(folder.figures / "label_curve.png", figure)


def _points(document: Document, metric: str) -> list[Point]:
    points = []
    for cell in document["cells"]:
        macros = [fit["macro"] for fit in document["fits"] if fit["p_s"] == cell["p_s"]]
        values = [null_to_nan(macro[metric]) for macro in macros]
        points.append(Point(percent(cell["p_s"]), cell["labelled"], values))
    return points
