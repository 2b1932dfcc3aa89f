"""From the outputs of a network to scores, for each kind of targets, and to what ranks clips.

Probabilities in float32 are 1 for all logits above 17, so clips with very different logits are
tied. Clips are therefore ranked by the log-odds of classes, which do not saturate.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(dim=-1)


def _unchanged(logits: Tensor) -> Tensor:
    return logits


def _odds_of_softmax(logits: Tensor) -> Tensor:
    """Return log p - log(1 - p) of softmax probabilities, (..., C), also where p rounds to 1."""
    log_p = logits.log_softmax(dim=-1)
    rest = torch.log1p(-log_p.exp())  # exact for all but the greatest p
    top = log_p.argmax(dim=-1, keepdim=True)
    others = log_p.scatter(-1, top, -torch.inf)
    return log_p - rest.scatter(-1, top, others.logsumexp(dim=-1, keepdim=True))


SCORES: dict[str, Callable[[Tensor], Tensor]] = {
    "multi_label": Tensor.sigmoid,
    "multi_class": _softmax,
    "regression": _unchanged,
}
"""Maps outputs, (..., C), to probabilities or values, by the name of the task."""

LOG_ODDS: dict[str, Callable[[Tensor], Tensor]] = {
    "multi_label": _unchanged,
    "multi_class": _odds_of_softmax,
    "regression": _unchanged,
}
"""Maps outputs, (..., C), to what clips are ranked by, by the name of the task."""
