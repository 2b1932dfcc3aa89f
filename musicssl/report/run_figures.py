"""The pictures of a run: per-class bars, the course of training, and attention timelines."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.corpus import Corpus, Dataset
from musicssl.errors import InputError
from musicssl.evaluation import InstancePredictions
from musicssl.features.log_mel import LogMel
from musicssl.report.figures import attention_timeline, per_class_bars, training_curves

log = logging.getLogger(__name__)

_ROWS = 5  # classes in one timeline


def draw_bars(
    folder: Path, classes: Sequence[str], per_class: Mapping[str, Sequence[float]]
) -> None:
    """Draw F1 and AUROC of every class."""
    shown = {"F1": per_class["f1"], "AUROC": per_class["auroc"]}
    positives = [int(count) for count in per_class["positives"]]
    per_class_bars(folder / "per_class.png", classes, shown, "Test metrics by class", positives)


def draw_curves(folder: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Draw losses and the main validation metrics over the epochs."""
    names = ("train/loss", "val/loss", "val/auroc", "val/average_precision", "val/f1")
    epochs = [int(row["epoch"]) for row in rows]
    curves = {name: (epochs, [row[name] for row in rows]) for name in names}
    best = min(rows, key=lambda row: row["val/loss"])
    training_curves(folder / "training.png", curves, "Course of training", int(best["epoch"]))


def draw_timelines(
    folder: Path,
    corpus: Corpus,
    dataset: Dataset,
    rows: NDArray[np.int64],
    instances: InstancePredictions,
    count: int = 3,
) -> None:
    """Draw attention over time for the test clips in which most happens.

    The clips are chosen by the truth, never by how well the model does on them.

    Args:
        folder: To write to.
        corpus: That the clips belong to.
        dataset: That knows their sound.
        rows: Of the test clips in the corpus, (N,).
        instances: What the model made of them, in the same order.
        count: Pictures to draw.
    """
    happenings = _happenings(corpus, rows)
    for place in np.argsort(-happenings, kind="stable")[:count]:
        row = rows[place]
        shown = np.flatnonzero(corpus.mask[row] & (corpus.y[row] >= 0.5))[:_ROWS]
        length = corpus.x.shape[1] if corpus.lengths is None else int(corpus.lengths[row])
        clip_id = str(corpus.clip_ids[row])
        spectrogram, sample_rate = _spectrogram(corpus, dataset, int(row), length)
        activity = None if corpus.activity is None else corpus.activity[row, :length][:, shown]
        attention_timeline(
            folder / f"timeline_{Path(clip_id).stem}.png",
            spectrogram,
            length * corpus.instance_seconds,
            [corpus.classes[c] for c in shown],
            instances.weights[place, :length][:, shown],
            instances.scores[place, :length][:, shown],
            activity,
            corpus.instance_seconds,
            f"Attention in {clip_id}",
            sample_rate,
        )


def _happenings(corpus: Corpus, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count what a timeline of each clip can show: entries and exits, else classes present."""
    if corpus.activity is None:
        counts: NDArray[np.int64] = (corpus.mask[rows] & (corpus.y[rows] >= 0.5)).sum(axis=1)
    else:
        activity = corpus.activity[rows]  # (N, T, C)
        counts = (activity[:, 1:] != activity[:, :-1]).sum(axis=(1, 2))
    return counts


def _spectrogram(
    corpus: Corpus, dataset: Dataset, row: int, length: int
) -> tuple[NDArray[np.float32], int | None]:
    """Return a fine spectrogram and its sample rate, or the instances where there is no audio."""
    try:
        audio, sample_rate = dataset.audio(str(corpus.clip_ids[row]))
    except InputError as error:
        log.warning("The timeline shows features instead of a spectrogram: %s", error)
        return np.asarray(corpus.x[row, :length]), None
    seconds = length * corpus.instance_seconds
    frames = LogMel(sample_rate).frames(audio[: round(seconds * sample_rate)])
    return frames, sample_rate
