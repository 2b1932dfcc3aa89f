"""From the outputs of a network to scores, for each kind of targets."""

from collections.abc import Callable

from torch import Tensor


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(dim=-1)


def _unchanged(logits: Tensor) -> Tensor:
    return logits


SCORES: dict[str, Callable[[Tensor], Tensor]] = {
    "multi_label": Tensor.sigmoid,
    "multi_class": _softmax,
    "regression": _unchanged,
}
"""Maps outputs, (..., C), to probabilities or values, by the name of the task."""
