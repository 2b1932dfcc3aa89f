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


def draw_curves(folder: Path, rows: Sequence[Mapping[str, float]], best_epoch: int) -> None:
    """Draw losses and the main validation metrics over the epochs."""
    names = ("train/loss", "val/loss", "val/auroc", "val/average_precision", "val/f1")
    epochs = [int(row["epoch"]) for row in rows]
    curves = {name: (epochs, [row[name] for row in rows]) for name in names}
    training_curves(folder / "training.png", curves, "Course of training", best_epoch)


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
    for place in _eventful(corpus, rows)[:count]:
        scores, weights = instances.scores[place], instances.weights[place]  # (T, C)
        _draw_timeline(folder, corpus, dataset, int(rows[place]), scores, weights)


def _draw_timeline(
    folder: Path,
    corpus: Corpus,
    dataset: Dataset,
    row: int,
    scores: NDArray[np.float32],
    weights: NDArray[np.float32],
) -> None:
    shown = np.flatnonzero(_present(corpus, row))[:_ROWS]
    length = corpus.x.shape[1] if corpus.lengths is None else int(corpus.lengths[row])
    clip_id = str(corpus.clip_ids[row])
    spectrogram, seconds, sample_rate = _spectrogram(corpus, dataset, row, length)
    attention_timeline(
        folder / f"timeline_{clip_id.replace('/', '_')}.png",
        spectrogram,
        seconds,
        [corpus.classes[c] for c in shown],
        weights[:length, shown],
        scores[:length, shown],
        None if corpus.activity is None else corpus.activity[row, :length, shown].T,
        corpus.instance_seconds,
        f"Attention in {clip_id}",
        sample_rate,
    )


def _eventful(corpus: Corpus, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order the clips by entries and exits, or else by classes present; leave out empty ones."""
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
    try:
        audio, sample_rate = dataset.audio(str(corpus.clip_ids[row]))
    except InputError as error:
        log.warning("A timeline shows features instead of a spectrogram: %s", error)
        x = np.asarray(corpus.x[row, :length])
        return (x - x.min()) / max(float(np.ptp(x)), 1e-9), seconds, None
    audio = audio[: round(seconds * sample_rate)]
    return LogMel(sample_rate).frames(audio), len(audio) / sample_rate, sample_rate
