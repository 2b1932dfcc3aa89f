"""What every probe is: it learns from some labelled embeddings and scores others."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from torch import Tensor

from musicssl.evaluation.tasks import Task

Judge = Callable[[Tensor], Tensor]  # takes embeddings, (N, D), to scores, (N, C)


class Embeddings(NamedTuple):
    """Clips as an encoder sees them, and what is known of them.

    Attributes:
        h: One embedding for each clip, (N, D).
        y: Targets, (N, C); arbitrary where `mask` is False.
        mask: True where the target was observed, (N, C) bool.
    """

    h: Tensor
    y: Tensor
    mask: Tensor

    def select(self, rows: Tensor) -> "Embeddings":
        """Return some of the clips, by their rows, (n,)."""
        return Embeddings(*(part[rows] for part in self))


class FittedProbe(NamedTuple):
    """A probe that has learnt.

    Attributes:
        judge: Scores clips as the task has it: probabilities of classes, or values.
        val_loss: What it was chosen by, of the validation clips: the natural loss of the task.
        chosen: Values of the settings that validation chose, by name.
    """

    judge: Judge
    val_loss: float
    chosen: Mapping[str, float]


class Probe(Protocol):
    """One kind of probe, with the settings among which validation chooses."""

    def fit(
        self, train: Embeddings, subsets: Sequence[Tensor], val: Embeddings, task: Task
    ) -> list[FittedProbe]:
        """Fit one probe to each of several subsets of the training clips.

        Embeddings are standardised by the clips of the subset. Settings are chosen, for each subset
        by itself, by the loss on the validation clips.

        Args:
            train: The training clips.
            subsets: Rows of those whose labels a probe may see, each (n,) int64.
            val: To choose by.
            task: What the targets are.

        Raises:
            InputError: If a subset or the validation clips have no label, or an embedding is not
                finite.
        """
