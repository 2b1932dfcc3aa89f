"""The number of labels that a run learns from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from musicssl.data.checks import learnable

if TYPE_CHECKING:
    from musicssl.data.datamodule import SemiSupervisedDataModule


@dataclass(frozen=True)
class LabelCount:
    """Number of labels of a run, for the line printed before training.

    Attributes:
        train: Number of training clips.
        labelled: Number of training clips that keep a label.
        lost: Classes that cannot be learnt from these labels; see `musicssl.data.checks.learnable`.
        unlabelled: Number of clips that are used without labels, if `u_s` is below 1.
    """

    train: int
    labelled: int
    lost: tuple[str, ...]
    unlabelled: int | None = None

    def __str__(self) -> str:
        text = f"{self.labelled:,} of {self.train:,} training clips keep labels."
        if self.unlabelled is not None:
            text += f" {self.unlabelled:,} others are used without labels (data.u_s)."
        if self.lost:
            text += (
                f" Classes that cannot be learnt from them: {', '.join(self.lost)}"
                " (data.stratified=true keeps labels of as many classes as possible)."
            )
        return text


def count_labels(data: "SemiSupervisedDataModule") -> LabelCount:
    """Count the labels that this run learns from."""
    subsets = data.subsets
    targets, mask = data.labels("train")
    can_be_learnt = learnable(targets.numpy(), mask.numpy(), data.corpus.task).tolist()
    return LabelCount(
        train=len(subsets.train),
        labelled=len(subsets.labelled),
        lost=tuple(
            name
            for name, learnt in zip(data.corpus.classes, can_be_learnt, strict=True)
            if not learnt
        ),
        unlabelled=None if data.u_s == 1 else len(np.setdiff1d(subsets.pool, subsets.labelled)),
    )
