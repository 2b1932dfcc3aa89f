"""The pictures of a run: per-class bars, the course of training, and attention timelines."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.log_mel import LogMel
from musicssl.data.corpus import Corpus, Dataset
from musicssl.errors import InputError
from musicssl.evaluation.metrics import METRICS, metric_info
from musicssl.evaluation.predictions import InstancePredictions, Predictions
from musicssl.evaluation.tasks import task_named
from musicssl.figures.bars import draw_per_class_bars
from musicssl.figures.confusion import draw_confusion
from musicssl.figures.curves import draw_training_curves
from musicssl.figures.scatter import draw_scatter
from musicssl.figures.style import save_png
from musicssl.figures.timeline import draw_attention_timeline

log = logging.getLogger(__name__)

_ROWS = 5  # classes in one timeline


def draw_bars(
    folder: Path,
    classes: Sequence[str],
    per_class: Mapping[str, Sequence[float]],
    title: str = "Test metrics by class",
) -> None:
    """Draw F1 and AUROC of every class, or R² and correlation of every target of a regression.

    The metrics drawn are those of `METRICS` that are shown in bars.
    """
    infos = {name: metric_info(name) for name in per_class}
    columns = {
        info.heading: per_class[name] for name, info in infos.items() if "bars" in info.shown_in
    }
    counts = per_class.get("positives")
    positives = None if counts is None else [int(count) for count in counts]
    save_png(folder / "per_class.png", draw_per_class_bars(classes, columns, title, positives))


def draw_curves(
    folder: Path,
    rows: Sequence[Mapping[str, float]],
    best_epoch: int,
    losses: Sequence[str] = ("train/loss", "val/loss"),
) -> None:
    """Draw losses and the main validation metrics over the epochs; R² below -1 is drawn as -1.

    Args:
        folder: To write to.
        rows: Rows of the history.
        best_epoch: Epoch that was kept.
        losses: Names of the losses to draw, on one scale; those that were logged are drawn.
    """
    metrics = [f"val/{info.name}" for info in METRICS.values() if "curves" in info.shown_in]
    names = [*losses, *metrics]
    names = [name for name in names if name in rows[0]]
    epochs = [int(row["epoch"]) for row in rows]
    curves = {name: (epochs, [row[name] for row in rows]) for name in names}
    if "val/r2" in curves:  # far below 0, as it is at first, it would flatten the rest
        curves["val/r2"] = (epochs, [max(row["val/r2"], -1.0) for row in rows])
    save_png(
        folder / "training.png", draw_training_curves(curves, "Course of training", best_epoch)
    )


def draw_answers(folder: Path, predictions: Predictions, title: str | None = None) -> None:
    """Draw answers over targets: a confusion matrix, or the predictions of a regression."""
    classes, scores, targets = predictions.classes, predictions.scores, predictions.targets
    task = task_named(predictions.task)
    if task.one_class_per_clip:
        labelled = predictions.mask.all(axis=1)
        answers, truth = scores[labelled].argmax(axis=1), targets[labelled].argmax(axis=1)
        save_png(
            folder / "confusion.png",
            draw_confusion(classes, truth, answers, title or "Test answers"),
        )
    if not task.has_classes:
        observed = np.where(predictions.mask, targets, np.nan)
        heading = title or "Test predictions"
        save_png(folder / "predictions.png", draw_scatter(classes, observed, scores, heading))


def draw_timelines(
    folder: Path,
    corpus: Corpus,
    dataset: Dataset,
    rows: NDArray[np.int64],
    instances: InstancePredictions,
    count: int = 3,
) -> dict[str, Path]:
    """Draw attention over time for the test clips in which most happens.

    The clips are chosen by the truth, never by how well the model does on them.

    Args:
        folder: To write to.
        corpus: Corpus that the clips belong to.
        dataset: Dataset that knows their sound.
        rows: Rows of the test clips in the corpus, (N,).
        instances: Predictions for them, in the same order.
        count: Pictures to draw.

    Returns:
        The picture of each clip that was drawn, by the name of the clip.
    """
    pictures = {}
    for index in eventful_clips(corpus, rows)[:count]:
        length = int(instances.lengths[index])
        if corpus.activity is not None:
            length = min(length, corpus.activity.shape[1])
        scores, weights = instances.scores[index, :length], instances.weights[index, :length]
        row = int(rows[index])
        picture = _draw_timeline(folder, corpus, dataset, row, scores, weights)
        pictures[str(corpus.clip_ids[row])] = picture
    return pictures


def _draw_timeline(
    folder: Path,
    corpus: Corpus,
    dataset: Dataset,
    row: int,
    scores: NDArray[np.float32],
    weights: NDArray[np.float32],
) -> Path:
    present = np.flatnonzero(_present(corpus, row))[:_ROWS]
    length = len(scores)
    clip_id = str(corpus.clip_ids[row])
    spectrogram, seconds, sample_rate = _spectrogram(corpus, dataset, row, length)
    return save_png(
        folder / f"timeline_{clip_id.replace('/', '_')}.png",
        draw_attention_timeline(
            spectrogram,
            seconds,
            [corpus.classes[c] for c in present],
            weights[:, present],
            scores[:, present],
            None if corpus.activity is None else corpus.activity[row, :length, present].T,
            corpus.instance_seconds,
            f"Attention in {clip_id}",
            sample_rate,
        ),
    )


def eventful_clips(corpus: Corpus, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions in `rows` of clips in which a class is present, the most eventful first.

    Those are the clips with most entries and exits, or, where the corpus knows no activity, with
    most classes.
    """
    present = _present(corpus, rows).sum(axis=1)
    events = present
    if corpus.activity is not None:
        activity = corpus.activity[rows]  # (N, T, C)
        events = (activity[:, 1:] != activity[:, :-1]).sum(axis=(1, 2))
    order: NDArray[np.int64] = np.argsort(-events, kind="stable")
    eventful: NDArray[np.int64] = order[present[order] > 0]
    return eventful


def _present(corpus: Corpus, rows: NDArray[np.int64] | int) -> NDArray[np.bool_]:
    present: NDArray[np.bool_] = corpus.mask[rows] & (corpus.y[rows] >= 0.5)
    return present


def _spectrogram(
    corpus: Corpus, dataset: Dataset, row: int, length: int
) -> tuple[NDArray[np.float32], float, int | None]:
    """Return a fine spectrogram, its seconds and sample rate; the instances if there is no audio.

    The spectrogram ends with the last instance, or with the audio if that is cut short.
    """
    seconds = length * corpus.instance_seconds
    if corpus.is_sound:
        sound, start = corpus.sound, np.zeros(1, np.int64)
        [audio] = sound.read(np.array([row]), start, int(sound.lengths[row]))
        return _frames(audio, seconds, sound.sample_rate)
    try:
        audio, sample_rate = dataset.audio(str(corpus.clip_ids[row]))
    except InputError as error:
        log.warning("A timeline shows features instead of a spectrogram: %s", error)
        x = np.asarray(corpus.instances[row, :length])
        return (x - x.min()) / max(float(np.ptp(x)), 1e-9), seconds, None
    return _frames(audio, seconds, sample_rate)


def _frames(
    audio: NDArray[np.float32], seconds: float, sample_rate: int
) -> tuple[NDArray[np.float32], float, int]:
    audio = audio[: round(seconds * sample_rate)]
    return LogMel(sample_rate).frames(audio), len(audio) / sample_rate, sample_rate
