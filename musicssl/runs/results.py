"""What a finished run leaves: tables, scores and pictures in its folder, and a table on screen."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from musicssl.cache import null_to_nan, write_json
from musicssl.data.corpus import Corpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.label_grid import fits_places
from musicssl.evaluation.localisation import localisation_metrics, resolution_metrics
from musicssl.evaluation.metrics import Metrics
from musicssl.evaluation.predictions import (
    InstancePredictions,
    Predictions,
    Scorer,
    measure,
    predict_clips,
    predict_instances,
)
from musicssl.figures.run_figures import draw_answers, draw_bars, draw_curves, draw_timelines
from musicssl.methods.base.method import ClassificationMethod
from musicssl.methods.base.probed import ProbedMethod
from musicssl.methods.vade import VaDE
from musicssl.runs.artifacts.clusters import show_clusters, write_clusters
from musicssl.runs.artifacts.embeddings import show_representation, write_representation
from musicssl.runs.artifacts.generative import write_generative
from musicssl.runs.artifacts.robustness import show_robustness
from musicssl.runs.checkpoint import Checkpoint
from musicssl.runs.folder import RunFolder
from musicssl.runs.history import read_history
from musicssl.runs.tables import metrics_table, write_metrics_csv

_WIDTH = 100  # columns of the table


def write_results(
    folder: RunFolder,
    datamodule: SemiSupervisedDataModule,
    method: Scorer | ClassificationMethod,
    layout: str = "pca",
) -> None:
    """Test a trained method; write scores, tables, pictures and, last of all, metrics.json.

    There the same metrics of the validation clips stand beside those of the test clips, so that
    settings can be chosen without looking at the latter.

    Args:
        folder: Of the run.
        datamodule: That the method was trained with.
        method: The trained method, in evaluation mode.
        layout: Of a map of embeddings, if the method learns some; see
            `musicssl.figures.embedding_map`.
    """
    corpus, rows = datamodule.corpus, datamodule.rows("test")
    predictions = predict_split(method, datamodule, "test")
    predictions.save(folder.path / "predictions.npz")
    result = _plain(measure(predictions, corpus.credit))
    by_class = result["per_class"]
    write_metrics_csv(folder.path / "metrics.csv", corpus.classes, by_class, result["macro"])
    draw_bars(folder.figures, corpus.classes, by_class)
    draw_answers(folder.figures, predictions)
    validated = measure(predict_split(method, datamodule, "val"), corpus.credit)
    document = {
        **result,
        "validation": _plain(validated),
        "classes": list(corpus.classes),
        "labels": asdict(datamodule.label_count()),
        "best_epoch": None,
        "localisation": None,
        "resolution": None,
        "effective_rank": None,
        "clusters": None,
    }
    if isinstance(method, ProbedMethod):
        document["effective_rank"] = write_representation(folder, datamodule, method, layout)
    if isinstance(method, VaDE):
        document["clusters"] = write_clusters(folder, datamodule, method)
    if isinstance(method, ClassificationMethod):
        document["best_epoch"] = best = Checkpoint.read(folder.best).epoch
        draw_curves(folder.figures, read_history(folder.history), best)
        write_generative(folder, datamodule, method)
        instances = predict_instances(method, datamodule.batches("test"))
        chunk = getattr(method.classifier.encoder, "chunk_samples", None)
        if fits_places(chunk, corpus) and in_places(corpus, rows, instances):
            document |= in_time(datamodule, instances)
            draw_timelines(folder.figures, corpus, datamodule.dataset, rows, instances)
    write_json(folder.metrics, document)


def predict_split(method: Scorer, datamodule: SemiSupervisedDataModule, split: str) -> Predictions:
    """Score the clips of a split; its targets are those that the run may see."""
    corpus, rows = datamodule.corpus, datamodule.rows(split)
    batches, clip_ids = datamodule.batches(split), corpus.clip_ids[rows]
    return predict_clips(method, batches, corpus.classes, clip_ids, corpus.task)


def in_places(corpus: Corpus, rows: NDArray[np.int64], instances: InstancePredictions) -> bool:
    """Say whether instance t of each clip is place t of the corpus, and its scores say when.

    They are not where an encoder sums a clip up as one embedding, or divides sound otherwise than
    by `Corpus.instance_seconds`, nor do the values of a regression sound at any time.

    Args:
        corpus: That the clips belong to.
        rows: Of the clips in the corpus, (N,).
        instances: What was made of them, in the same order.
    """
    if corpus.task == "regression":
        return False
    if not corpus.is_sound:
        places = corpus.instances.shape[1] if corpus.lengths is None else corpus.lengths[rows]
        return bool((instances.lengths == places).all())
    seconds = corpus.sound.lengths[rows] / corpus.sound.sample_rate
    return bool((np.abs(instances.lengths - seconds / corpus.instance_seconds) < 1).all())


def in_time(
    datamodule: SemiSupervisedDataModule, instances: InstancePredictions
) -> dict[str, dict[str, float]]:
    """Return how well test instances were judged in time, macro means; nothing without a truth.

    See `musicssl.evaluation.localisation` and `musicssl.evaluation.localisation`.
    """
    corpus = datamodule.corpus
    if corpus.activity is None:
        return {}
    known = min(instances.scores.shape[1], corpus.activity.shape[1])  # of the last part of a second
    scores, valid = instances.scores[:, :known], instances.valid[:, :known]
    rows = datamodule.rows("test")
    activity, mask = corpus.activity[rows, :known], corpus.mask[rows]
    located = localisation_metrics(scores, instances.weights[:, :known], activity, valid, mask)
    resolved = resolution_metrics(scores, activity, corpus.instance_seconds, valid, mask)
    return {"localisation": _means(located), "resolution": _means(resolved)}


def show_results(folder: RunFolder) -> None:
    """Print the table of a complete run and say where the rest lies."""
    document = json.loads(folder.metrics.read_text())
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDTH  # a log file has no width of its own
    per_class, means = null_to_nan(document["per_class"]), null_to_nan(document["macro"])
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
    if document.get("resolution"):  # runs of older versions have none
        stretches = ", ".join(
            f"{'undefined' if value is None else f'{value:.3f}'} over {name}"
            for name, value in document["resolution"].items()
        )
        console.print(
            f"AUROC of stretches, each scored by its best instance: {stretches}.", highlight=False
        )
    if document.get("effective_rank"):
        show_representation(folder, document["effective_rank"], console)
    if document.get("clusters"):
        show_clusters(document["clusters"], console)
    if folder.robustness.is_file():
        show_robustness(folder, console)
    place = f"Tables, scores, pictures and checkpoints: {folder.path}"
    console.print(place, highlight=False, markup=False)  # a folder may have [brackets] in its name


def _plain(metrics: Metrics) -> dict[str, Any]:
    """Return metrics as JSON has them."""
    by_class = {name: values.tolist() for name, values in metrics.per_class.items()}
    return {"macro": metrics.macro, "per_class": by_class}


def _means(columns: Mapping[str, NDArray[np.floating]]) -> dict[str, float]:
    """Average each metric over the classes for which it is defined; NaN if there is none."""
    defined = {name: column[~np.isnan(column)] for name, column in columns.items()}
    return {name: float(v.mean()) if len(v) else math.nan for name, v in defined.items()}
