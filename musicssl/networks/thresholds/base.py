"""The part that decides which predictions become pseudo-labels, and with what weight."""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from musicssl.errors import InputError


class Thresholds(nn.Module):
    """Weigh predictions on unlabelled clips as pseudo-labels.

    The formulas of the papers are for one softmax over K outcomes. Here a prediction consists of Q
    variables with K outcomes each: in a multi-class corpus there is one variable with C outcomes,
    in a multi-label corpus there are C variables with two outcomes, present and absent, and each
    label has thresholds of its own. A sigmoid is a softmax over two outcomes, so both are the same
    formulas.

    Args:
        num_classes: Number of classes, C.
        one_class_per_clip: Whether scores are those of a softmax over the classes of a clip.
    """

    def __init__(self, num_classes: int, one_class_per_clip: bool = False) -> None:
        super().__init__()
        self.one_class_per_clip = one_class_per_clip
        self.num_variables = 1 if one_class_per_clip else num_classes
        self.num_outcomes = num_classes if one_class_per_clip else 2

    @abstractmethod
    def update(self, scores: Tensor, prior: Tensor, counted: Tensor | None = None) -> None:
        """Update running statistics with a batch.

        Args:
            scores: Probabilities of the classes of clips, (N, C); those of unlabelled clips are
                aligned if there is an alignment.
            prior: Share of positives among the training labels of each class, (C,); NaN for a class
                that was never observed.
            counted: True for the unlabelled clips, (N,) bool; None if all are unlabelled. All
                thresholds but `adamatch`, which does the opposite, ignore the others. Without any
                clip the statistics stay as they are.
        """

    @abstractmethod
    def weights(self, scores: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights of the pseudo-labels "present" and "absent", (B, C) each, in [0, 1].

        At most one of the two is positive. With one class per clip, at most one class of a clip has
        a weight, and no class is absent.

        Args:
            scores: Probabilities of the classes, (B, C).
            prior: See `update`.
        """

    def penalty(self, logits: Tensor, selected: Tensor) -> Tensor:
        """Return a loss of the strong views beside that of the pseudo-labels, a scalar; 0 if none.

        Args:
            logits: Logits of the strong views, (U, C).
            selected: Weights of the pseudo-labels of these clips, (U,).
        """
        return logits.new_zeros(())

    def outcomes(self, scores: Tensor) -> Tensor:
        """Return the probabilities of outcomes, (N, Q, K), from those of classes, (N, C)."""
        if self.one_class_per_clip:
            return scores[:, None]
        return torch.stack([scores, 1 - scores], dim=2)

    def by_class(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights, (B, Q, K), as those of "present" and of "absent", (B, C) each."""
        if self.one_class_per_clip:
            return weights[:, 0], torch.zeros_like(weights[:, 0])
        return weights[..., 0], weights[..., 1]


def weights_of(counted: Tensor | None, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weight of each clip, 0 or 1, (N,), and their number, for means by arithmetic.

    To select the clips would let the host wait for their number.
    """
    weight = scores.new_ones(len(scores)) if counted is None else counted.to(scores)
    return weight, weight.sum()


def most_probable(probs: Tensor) -> tuple[Tensor, Tensor]:
    """Return the greatest probability, (B, Q), and the one-hot outcome, (B, Q, K)."""
    confidence, answer = probs.max(dim=2)
    return confidence, nn.functional.one_hot(answer, probs.shape[2]).to(probs)


def check_momentum(momentum: float) -> float:
    """Return the momentum of a moving average.

    Raises:
        InputError: If it is not in [0, 1).
    """
    if not 0 <= momentum < 1:
        raise InputError(f"thresholds.momentum must be in [0, 1), got {momentum:g}.")
    return momentum
