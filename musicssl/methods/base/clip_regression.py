"""Fitting the regression that shares in the predictions of a network."""

from collections.abc import Iterable

import torch

from musicssl.batch import Batch, valid_instances
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.evaluation.tasks import Task
from musicssl.networks.clip_regression import STATISTICS, ClipRegression
from musicssl.networks.time_summary import over_time
from musicssl.probing.base import Embeddings
from musicssl.probing.linear import fit_linear

STRENGTH = 0.01  # of the losses against the penalty, the C of scikit-learn
_MOST_CLIPS = 20_000  # the model has few weights: more clips take time and change little


def fit_regressions(
    parts: Iterable[ClipRegression], data: SemiSupervisedDataModule, task: Task
) -> None:
    """Fit each of several equal parts to the labelled training clips that a run may see.

    Without a labelled clip they stay as they are.

    Args:
        parts: Parts of the network and of its copies.
        data: Data module of the run.
        task: Task of the targets, which has classes.
    """
    rows = data.labelled(_MOST_CLIPS)
    if len(rows) == 0:
        return
    train = clip_statistics(data.batches_of(rows))
    model = fit_linear(train, train, task, [STRENGTH])  # one strength: nothing to validate
    for part in parts:
        part.fit(model.weight, model.bias, len(data.labelled()))


def clip_statistics(batches: Iterable[Batch]) -> Embeddings:
    """Return the statistics of the instances of clips, with their targets."""
    parts = []
    for batch in batches:
        valid = None if batch.lengths is None else valid_instances(batch.lengths, batch.x.shape[1])
        parts.append(Embeddings(over_time(batch.x, valid, STATISTICS), batch.y, batch.mask))
    return Embeddings(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
