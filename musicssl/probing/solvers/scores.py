"""Back from scores to what a task's scores are computed from, and so to its loss."""

from torch import Tensor

from musicssl.evaluation.tasks import Task

_LEAST = 1e-6  # of a probability, of which the loss is 13.8 nats


def outputs_of(scores: Tensor, task: Task) -> Tensor:
    """Return outputs whose `Task.scores` are these, up to a constant of each clip, (..., C).

    Probabilities are taken to lie in [1e-6, 1 - 1e-6].
    """
    if task.name == "regression":
        return scores
    if task.name == "multi_class":
        return scores.clamp_min(_LEAST).log()
    return scores.logit(eps=_LEAST)


def loss_of_scores(scores: Tensor, targets: Tensor, mask: Tensor, task: Task) -> float:
    """Return the natural loss of scores, all (N, C).

    Where a clip has one class its scores are brought to a sum of 1 first. Where not observed a
    target may be anything, NaN included.
    """
    unused = scores.new_zeros(scores.shape[-1])  # natural losses know no prior
    return float(task.loss(None)(outputs_of(scores, task).float(), targets.float(), mask, unused))
