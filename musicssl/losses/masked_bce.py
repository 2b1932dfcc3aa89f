"""Binary cross-entropy of observed labels, and of pseudo-labels."""

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def masked_bce(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Average the binary cross-entropy over all observed cells of the batch.

    The loss in the code of AttentionMIC; its paper defines `partial_bce`, which gives equal weight
    to clips instead of cells. Without any observed cell the loss is 0, with a gradient of 0.

    Args:
        logits: Log-odds, (B, C).
        targets: In [0, 1], (B, C); arbitrary where not observed, even NaN.
        mask: True where observed, (B, C).

    Returns:
        Scalar, in nats.
    """
    return cell_losses(logits, targets, mask).sum() / mask.sum().clamp_min(1)


def cell_losses(
    logits: Tensor, targets: Tensor, mask: Tensor, positive_weight: Tensor | None = None
) -> Tensor:
    """Return the binary cross-entropy of each cell, (B, C), 0 where not observed.

    Args:
        logits: Log-odds, (B, C).
        targets: In [0, 1], (B, C).
        mask: True where observed, (B, C).
        positive_weight: Factor for the positive term of each class, (C,).
    """
    targets = targets.where(mask, 0)
    losses = binary_cross_entropy_with_logits(
        logits.float(), targets, pos_weight=positive_weight, reduction="none"
    )
    return losses * mask


def pseudo_label_bce(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Average the weighted cross-entropy of cells over *all* cells.

    FixMatch, Sohn et al. 2020, https://arxiv.org/abs/2001.07685, equation 4, with a sigmoid for
    each class instead of the softmax. As in the paper, the sum is divided by the number of all
    cells, so that the term grows with the fraction of selected cells.

    Args:
        logits: Logits of the strong view, (B, C).
        targets: Pseudo-labels in [0, 1], (B, C).
        weights: Weight of each cell, (B, C); 0 or False where no pseudo-label is selected.

    Returns:
        Scalar, in nats; 0 if nothing is selected.
    """
    cells = binary_cross_entropy_with_logits(logits.float(), targets.float(), reduction="none")
    return (cells * weights).mean()
