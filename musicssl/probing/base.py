"""The interface of probes, which learn from labelled embeddings and score others."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from torch import Tensor

from musicssl.evaluation.tasks import Task

Judge = Callable[[Tensor], Tensor]  # maps embeddings, (N, D), to scores, (N, C)


class Embeddings(NamedTuple):
    """Embeddings of clips, with their labels.

    Attributes:
        h: One embedding for each clip, (N, D).
        y: Targets, (N, C); arbitrary where `mask` is False.
        mask: True where the target was observed, (N, C) bool.
    """

    h: Tensor
    y: Tensor
    mask: Tensor

    def select(self, rows: Tensor) -> "Embeddings":
        """Return a part of the clips, selected by row numbers, (n,)."""
        return Embeddings(*(part[rows] for part in self))


class FittedProbe(NamedTuple):
    """A fitted probe.

    Attributes:
        judge: Scores clips according to the task: probabilities of classes, or values.
        val_loss: The natural loss of the task on the validation clips, by which it was chosen.
        chosen: Values of the settings that were chosen by validation, by name.
        layer_weights: Weight of each layer, (L,), of a probe of several; empty for others.
    """

    judge: Judge
    val_loss: float
    chosen: Mapping[str, float]
    layer_weights: tuple[float, ...] = ()


class Probe(Protocol):
    """A kind of probe, with the settings to choose from by validation."""

    def fit(
        self, train: Embeddings, subsets: Sequence[Tensor], val: Embeddings, task: Task
    ) -> list[FittedProbe]:
        """Fit one probe to each of several subsets of the training clips.

        Embeddings are standardised by the clips of the subset. Settings are chosen for each subset
        separately, by the loss on the validation clips.

        Args:
            train: The training clips.
            subsets: Rows of the clips whose labels a probe may use, each (n,) int64.
            val: The validation clips.
            task: The task of the targets.

        Raises:
            InputError: If a subset or the validation clips have no label, or an embedding is not
                finite.
        """
