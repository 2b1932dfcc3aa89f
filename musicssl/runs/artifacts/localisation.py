"""When classes sound: how well test instances are scored, and pictures of attention over time.

Where the corpus may be passed on, the sound of the pictured clips is kept too, for the report.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.console import Console

from musicssl.data.corpus import Corpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.label_grid import fits_label_frames
from musicssl.evaluation.localisation import localisation_metrics, resolution_metrics
from musicssl.evaluation.predictions import InstancePredictions, predict_instances
from musicssl.evaluation.tasks import task_named
from musicssl.figures.run_figures import draw_timelines, eventful_clips
from musicssl.runs.artifacts.artifact import TrainedRun
from musicssl.runs.folder import RunFolder

_TIMELINES = 3


class Localisation:
    """Scores of instances against the activity, where the corpus knows it, and timelines.

    Where the corpus knows no activity, only the clips of the timelines are predicted. Otherwise one
    clip shows first whether the instances are those of the corpus; the memory needed for all clips
    is then that of the activity.
    """

    def write(self, run: TrainedRun) -> Mapping[str, Any]:
        """Measure and draw, if instances of the encoder are label frames of the corpus."""
        corpus, rows = run.corpus, run.datamodule.rows("test")
        chunk = getattr(run.method.network.encoder, "chunk_samples", None)
        if not run.method.task.has_classes or not fits_label_frames(chunk, corpus):
            return {}
        drawn = rows[eventful_clips(corpus, rows)[:_TIMELINES]]
        if corpus.activity is None:
            rows = drawn
        if len(rows) == 0 or _predicted(run, rows[:1]) is None:
            return {}
        instances = _predicted(run, rows)
        if instances is None:
            return {}
        dataset = run.datamodule.dataset
        pictures = draw_timelines(run.folder.figures, corpus, dataset, rows, instances)
        if corpus.redistributable:
            run.folder.sounds.mkdir(parents=True, exist_ok=True)
            for clip_id, picture in pictures.items():
                sound = run.folder.sounds / f"{picture.stem}.flac"
                soundfile.write(sound, *dataset.audio(clip_id))
        return in_time(run.datamodule, instances)

    def show(self, folder: RunFolder, document: Mapping[str, Any], console: Console) -> None:
        """Print the scores of instances, and of longer stretches."""
        if document.get("localisation"):
            scores = {name: _text(value) for name, value in document["localisation"].items()}
            console.print(
                "When does a class sound? AUROC of instances against the exact activity: "
                f"{scores['auroc_weighted']} with the pooling's weights, "
                f"{scores['auroc_instance']} without; within a clip "
                f"{scores['auroc_within_weighted']} and {scores['auroc_within_instance']}.",
                highlight=False,
            )
        if document.get("resolution"):
            stretches = ", ".join(
                f"{_text(value)} over {name}" for name, value in document["resolution"].items()
            )
            console.print(
                f"AUROC of stretches, each scored by its best instance: {stretches}.",
                highlight=False,
            )


def _predicted(run: TrainedRun, rows: NDArray[np.int64]) -> InstancePredictions | None:
    """Return the scores of the instances of clips; None if they are no label frames."""
    instances = predict_instances(run.method, run.datamodule.batches_of(rows))
    return instances if in_places(run.corpus, rows, instances) else None


def _text(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def in_places(corpus: Corpus, rows: NDArray[np.int64], instances: InstancePredictions) -> bool:
    """Return whether instance t of a clip is instance t of the corpus, so its scores have a time.

    This is not the case if an encoder makes one embedding of a clip, or divides sound into other
    parts than `Corpus.instance_seconds`. The values of a regression have no time either.

    Args:
        corpus: Corpus that the clips belong to.
        rows: Rows of the clips in the corpus, (N,).
        instances: What was made of them, in the same order.
    """
    if not task_named(corpus.task).has_classes:
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

    See `musicssl.evaluation.localisation`.
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


def _means(columns: Mapping[str, NDArray[np.floating]]) -> dict[str, float]:
    """Average each metric over the classes for which it is defined; NaN if there is none."""
    defined = {name: column[~np.isnan(column)] for name, column in columns.items()}
    return {name: float(v.mean()) if len(v) else math.nan for name, v in defined.items()}
