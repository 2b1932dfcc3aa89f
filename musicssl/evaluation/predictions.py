"""Predictions of a trained method for every clip of a split, and their evaluation."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from musicssl.batch import Batch, valid_instances
from musicssl.evaluation.metrics import Metrics
from musicssl.evaluation.multi_class import weighted_accuracy
from musicssl.evaluation.tasks import Task, task_named
from musicssl.networks.pooling import Instances


@dataclass(frozen=True, eq=False)
class Predictions:
    """Scores and targets of the clips of a split, all arrays in the order of the clips.

    Attributes:
        classes: The name of each class, (C).
        clip_ids: Name of each clip, (N,) str.
        scores: Probability of each class, or predicted values in a regression, (N, C) float32.
        targets: (N, C) float32.
        mask: True where the target was observed, (N, C) bool.
        task: Kind of the targets; see `musicssl.data.corpus.Corpus`.
        log_odds: What clips are ranked by, (N, C) float32; None for a method that has no more than
            the scores. See `musicssl.evaluation.tasks.Task`.
    """

    classes: tuple[str, ...]
    clip_ids: NDArray[np.str_]
    scores: NDArray[np.float32]
    targets: NDArray[np.float32]
    mask: NDArray[np.bool_]
    task: str = "multi_label"
    log_odds: NDArray[np.float32] | None = None

    def save(self, path: Path) -> None:
        """Write everything to one .npz file that loads without pickle."""
        known: dict[str, Any] = {} if self.log_odds is None else {"log_odds": self.log_odds}
        np.savez_compressed(
            path,
            classes=np.array(self.classes),
            clip_ids=self.clip_ids,
            scores=self.scores,
            targets=self.targets,
            mask=self.mask,
            task=np.array(self.task),
            **known,
        )


@dataclass(frozen=True, eq=False)
class InstancePredictions:
    """Predictions for each instance; T is the number of instances of the longest clip.

    Attributes:
        scores: Probability of each class in the instance, or predicted values in a regression,
            (N, T, C) float32; 0 where padded.
        weights: Pooling weight of the instance in the clip, (N, T, C) float32; 0 where padded.
        lengths: Instances of each clip, (N,) int64.
    """

    scores: NDArray[np.float32]
    weights: NDArray[np.float32]
    lengths: NDArray[np.int64]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """True for the instances that are not padding, (N, T) bool."""
        lengths = torch.from_numpy(self.lengths)
        valid: NDArray[np.bool_] = valid_instances(lengths, self.scores.shape[1]).numpy()
        return valid


class Scorer(Protocol):
    """A trained method, with or without a network, that predicts scores of clips."""

    def scores(self, batch: Batch) -> Tensor:
        """Return the probability of each class, or the values of a regression, (B, C)."""


@runtime_checkable
class RankingScorer(Scorer, Protocol):
    """A scorer that also returns what clips are ranked by."""

    def ranked_scores(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the scores and the log-odds of clips, (B, C) each; see `Predictions`."""


def ranked_scores(method: Scorer, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the scores of clips and what they are ranked by, (B, C) float32 each, on the CPU."""
    if isinstance(method, RankingScorer):
        scores, log_odds = method.ranked_scores(batch)
    else:
        scores = log_odds = method.scores(batch)
    return scores.float().cpu(), log_odds.float().cpu()


class InstanceScorer(Protocol):
    """A trained method that also predicts scores of instances."""

    task: Task

    def instances(self, batch: Batch) -> Instances:
        """Return the logits and the log weights of each instance."""


def predict_clips(
    method: Scorer,
    batches: Iterable[Batch],
    classes: tuple[str, ...],
    clip_ids: NDArray[np.str_],
    task: str = "multi_label",
) -> Predictions:
    """Predict the scores of every clip.

    Args:
        method: The trained method, in evaluation mode.
        batches: The clips of a split in order.
        classes: Names of the classes.
        clip_ids: Names of the clips, (N,).
        task: Kind of the targets.
    """
    scored, targets, mask = [], [], []
    with torch.inference_mode():
        for batch in batches:
            scored.append(ranked_scores(method, batch))
            targets.append(batch.y)
            mask.append(batch.mask)
    scores, log_odds = (torch.cat(parts).numpy() for parts in zip(*scored, strict=True))
    return Predictions(
        classes,
        clip_ids,
        scores,
        torch.cat(targets).numpy(),
        torch.cat(mask).numpy(),
        task,
        log_odds if isinstance(method, RankingScorer) else None,
    )


def predict_instances(method: InstanceScorer, batches: Iterable[Batch]) -> InstancePredictions:
    """Predict the scores and weights of every instance of every clip.

    Encoders may emit any number of instances and may treat padding arbitrarily, so clips of
    different lengths are processed one by one, without their padding.
    """
    scores: list[Tensor] = []  # N x (T', C)
    weights: list[Tensor] = []
    with torch.inference_mode():
        for batch in batches:
            for clips in _without_padding(batch):
                logits, log_weights = method.instances(clips)
                scores += method.task.scores(logits.float()).cpu().unbind()
                weights += log_weights.float().exp().cpu().unbind()
        lengths = torch.tensor([len(clip) for clip in scores], dtype=torch.int64)
        padded = [pad_sequence(clips, batch_first=True) for clips in (scores, weights)]
    return InstancePredictions(padded[0].numpy(), padded[1].numpy(), lengths.numpy())


def _without_padding(batch: Batch) -> Iterator[Batch]:
    if batch.lengths is None:
        yield batch
        return
    for index, length in enumerate(batch.lengths.tolist()):
        clip = batch.select(torch.tensor([index]))
        yield clip._replace(x=clip.x[:, :length], lengths=None)


def measure(predictions: Predictions, credit: NDArray[np.float32] | None = None) -> Metrics:
    """Return the metrics of predictions, which depend on their task.

    Args:
        predictions: Predictions for the clips of a split.
        credit: Credit of answers, (C, C), see `Corpus`; with it, `weighted_accuracy` is measured.
    """
    tensors = map(torch.from_numpy, (predictions.scores, predictions.targets, predictions.mask))
    scores, targets, mask = tensors
    ranks = None if predictions.log_odds is None else torch.from_numpy(predictions.log_odds)
    metrics = task_named(predictions.task).metrics(scores, targets, mask, ranks)
    if credit is not None:
        mean_credit = weighted_accuracy(scores, targets, mask, torch.from_numpy(credit))
        metrics.macro["weighted_accuracy"] = mean_credit
    return metrics
