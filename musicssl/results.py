"""What a finished run leaves: tables, scores and pictures in its folder, and a table on screen."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from musicssl.batch import valid_instances
from musicssl.checkpoint import read_checkpoint
from musicssl.datamodule import SemiSupervisedDataModule
from musicssl.evaluation import (
    InstancePredictions,
    Scorer,
    predict_clips,
    predict_instances,
)
from musicssl.history import read_history
from musicssl.localisation import localisation_metrics
from musicssl.methods.base import ClassificationMethod
from musicssl.metrics import macro, per_class_metrics
from musicssl.report.run_figures import draw_bars, draw_curves, draw_timelines
from musicssl.report.tables import metrics_table, write_metrics_csv
from musicssl.run_folder import RunFolder, write_atomically

_WIDTH = 100  # columns of the table


def write_results(
    folder: RunFolder, datamodule: SemiSupervisedDataModule, method: Scorer | ClassificationMethod
) -> None:
    """Test a trained method; write scores, tables, pictures and, last of all, metrics.json.

    Args:
        folder: Of the run.
        datamodule: That the method was trained with.
        method: The trained method, in evaluation mode.
    """
    corpus, rows = datamodule.corpus, datamodule.rows("test")
    batches = datamodule.batches("test")
    predictions = predict_clips(method, batches, corpus.classes, corpus.clip_ids[rows])
    predictions.save(folder.path / "predictions.npz")
    per_class = per_class_metrics(
        torch.from_numpy(predictions.scores),
        torch.from_numpy(predictions.targets),
        torch.from_numpy(predictions.mask),
    )
    means, by_class = macro(per_class), {name: v.tolist() for name, v in per_class.items()}
    write_metrics_csv(folder.path / "metrics.csv", corpus.classes, by_class, means)
    draw_bars(folder.figures, corpus.classes, by_class)
    document = {
        "macro": means,
        "per_class": by_class,
        "classes": list(corpus.classes),
        "labels": asdict(datamodule.label_count()),
        "best_epoch": None,
        "localisation": None,
    }
    if isinstance(method, ClassificationMethod):
        document["best_epoch"] = best = int(read_checkpoint(folder.best)["epoch"])
        draw_curves(folder.figures, read_history(folder.history), best)
        instances = predict_instances(method, batches)
        if instances.scores.shape[1] == corpus.x.shape[1]:  # not where one embedding sums it up
            document["localisation"] = localisation(datamodule, instances)
            draw_timelines(folder.figures, corpus, datamodule.dataset, rows, instances)
    write_atomically(folder.metrics, json.dumps(_without_nan(document), indent=2) + "\n")


def localisation(
    datamodule: SemiSupervisedDataModule, instances: InstancePredictions
) -> dict[str, float] | None:
    """Return how well test instances were judged in time, macro means; None without a truth."""
    corpus = datamodule.corpus
    rows = datamodule.rows("test")
    if corpus.activity is None:
        return None
    valid: NDArray[np.bool_] | None = None
    if corpus.lengths is not None:
        lengths = torch.from_numpy(corpus.lengths[rows])
        valid = valid_instances(lengths, corpus.x.shape[1]).numpy()
    values = localisation_metrics(instances.scores, instances.weights, corpus.activity[rows], valid)
    return {name: _mean_of_defined(column) for name, column in values.items()}


def show_results(folder: RunFolder) -> None:
    """Print the table of a complete run and say where the rest lies."""
    document = json.loads(folder.metrics.read_text())
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDTH  # a log file has no width of its own
    per_class = {name: _with_nan(values) for name, values in document["per_class"].items()}
    means = dict(zip(document["macro"], _with_nan(document["macro"].values()), strict=True))
    console.print(metrics_table(document["classes"], per_class, means))
    if document["localisation"]:
        weighted, alone, within_weighted, within_alone = (
            "undefined" if value is None else f"{value:.3f}"
            for value in document["localisation"].values()
        )
        console.print(
            "When does a class sound? AUROC of instances against the exact activity: "
            f"{weighted} with the pooling's weights, {alone} without; within a clip "
            f"{within_weighted} and {within_alone}.",
            highlight=False,
        )
    place = f"Tables, scores, pictures and checkpoints: {folder.path}"
    console.print(place, highlight=False, markup=False)  # a folder may have [brackets] in its name


def _mean_of_defined(column: NDArray[np.floating]) -> float:
    defined = column[~np.isnan(column)]
    return float(defined.mean()) if len(defined) else math.nan


def _without_nan(node: Any) -> Any:
    """Write NaN as null: JSON has no NaN."""
    if isinstance(node, Mapping):
        return {key: _without_nan(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_without_nan(value) for value in node]
    return None if isinstance(node, float) and math.isnan(node) else node


def _with_nan(values: Any) -> list[float]:
    return [math.nan if value is None else value for value in values]
