"""What a probe leaves in its folder: results, tables, scores and pictures."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musicssl.bootstrap import interval, replicates
from musicssl.chance import chance
from musicssl.datamodule import SemiSupervisedDataModule
from musicssl.evaluation import Predictions
from musicssl.metrics import USUAL, usual_metric
from musicssl.probes.comparison import against
from musicssl.probes.folder import ProbeFolder
from musicssl.probes.source import Origin
from musicssl.probes.trials import Trial
from musicssl.report.grids import percent
from musicssl.report.label_curve import Point, draw_label_curves
from musicssl.report.run_figures import draw_answers, draw_bars
from musicssl.report.saving import save_png
from musicssl.report.tables import write_metrics_csv
from musicssl.results import measure
from musicssl.run_folder import write_json
from musicssl.tasks import task_named

FIELD = {  # what is reported of a task, the first one first
    "multi_label": ("auroc", "average_precision"),
    "multi_class": ("weighted_accuracy", "accuracy"),
    "regression": ("r2",),
}


@dataclass(frozen=True, eq=False)
class Probed:
    """What was probed, with what, and how.

    Attributes:
        origin: Of the embeddings.
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


def write_probe(
    folder: ProbeFolder,
    probed: Probed,
    datamodule: SemiSupervisedDataModule,
    trials: Sequence[Trial],
    baselines: Sequence[ProbeFolder] = (),
) -> None:
    """Write tables, scores, pictures and, last of all, probe.json.

    Args:
        folder: To write to.
        probed: What it was.
        datamodule: That the probe was fitted and tested with.
        trials: By ascending fraction of labels.
        baselines: Complete probes of the same kind on the same clips, to be compared with.
    """
    folder.claim(probed.settings)
    tested = [_predictions(datamodule, trial) for trial in trials]
    macros = [measure(one, datamodule.corpus.credit).macro for one in tested]
    document = _document(probed, datamodule, trials, macros)
    _write_fits(folder, trials, macros)
    _save_scores(folder, datamodule, trials, tested[0])
    document["against"] = [
        row for baseline in baselines for row in against(folder, document, baseline)
    ]
    most = tested[next(i for i, t in enumerate(trials) if t.draw.p_s == trials[-1].draw.p_s)]
    _draw(folder, most, datamodule.corpus.credit)
    _draw_curve(folder, document, [baseline.document() for baseline in baselines])
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
        "metric": usual_metric(macros[0]),
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
    }


def _cells(
    datamodule: SemiSupervisedDataModule,
    trials: Sequence[Trial],
    macros: Sequence[Mapping[str, float]],
) -> list[dict[str, Any]]:
    """Return means over the draws at each fraction, with intervals over test clips."""
    corpus = datamodule.corpus
    names = [name for name in FIELD[corpus.task] if name in macros[0]]
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
        cells.append(
            {
                "p_s": p_s,
                "labelled": len(trials[here[0]].draw.rows),
                "mean": {
                    name: float(np.mean([macros[i][name] for i in here])) for name in macros[0]
                },
                "interval": {name: list(interval(drawn[name][here].mean(0))) for name in names},
            }
        )
    return cells


def _write_fits(
    folder: ProbeFolder, trials: Sequence[Trial], macros: Sequence[Mapping[str, float]]
) -> None:
    settings = list(trials[0].chosen)
    with folder.fits.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["p_s", "seed", "labelled", *settings, "val_loss", *macros[0]])
        for trial, macro in zip(trials, macros, strict=True):
            values = ("" if math.isnan(value) else repr(value) for value in macro.values())
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


def _draw(
    folder: ProbeFolder, predictions: Predictions, credit: NDArray[np.float32] | None
) -> None:
    """Draw each class and the answers, of the first draw with the most labels."""
    metrics = measure(predictions, credit)
    per_class = {name: values.tolist() for name, values in metrics.per_class.items()}
    write_metrics_csv(folder.path / "metrics.csv", predictions.classes, per_class, metrics.macro)
    draw_bars(folder.figures, predictions.classes, per_class)
    draw_answers(folder.figures, predictions)


def _draw_curve(
    folder: ProbeFolder, document: Mapping[str, Any], baselines: Sequence[Mapping[str, Any]]
) -> None:
    if len(document["cells"]) == 1:
        return
    metric = document["metric"]
    curves = {one["source"]["label"]: _points(one, metric) for one in (document, *baselines)}
    title = f"{document['probe']} probes of {document['corpus']}"
    share = "their share of all labelled ones"
    save_png(
        folder.figures / "label_curve.png",
        draw_label_curves(curves, USUAL[metric], title, share),
    )


def _points(document: Mapping[str, Any], metric: str) -> list[Point]:
    return [
        Point(
            percent(cell["p_s"]),
            cell["labelled"],
            [f["macro"][metric] for f in document["fits"] if f["p_s"] == cell["p_s"]],
        )
        for cell in document["cells"]
    ]
