"""Squared error of observed targets."""

from torch import Tensor


def squared_error(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Average the squared error over all observed cells of the batch.

    All targets have the same weight in their own units: if units differ, the target with the widest
    range dominates, unless the corpus scales them. Without any observed cell the loss is 0, with a
    gradient of 0.

    Args:
        logits: Predictions, (B, C), in the unit of the target.
        targets: Any real numbers, (B, C); arbitrary where not observed, even NaN.
        mask: True where observed, (B, C).

    Returns:
        Scalar, in squared units.
    """
    errors = (logits.float() - targets.where(mask, 0)) * mask
    return errors.square().sum() / mask.sum().clamp_min(1)
