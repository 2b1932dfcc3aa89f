"""Binary cross-entropy with labels that a network gave itself."""

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def pseudo_label_bce(logits: Tensor, targets: Tensor, selected: Tensor) -> Tensor:
    """Average the cross-entropy of the selected cells over *all* cells.

    FixMatch, Sohn et al. 2020, https://arxiv.org/abs/2001.07685, equation 4, with a sigmoid for
    each class in the place of the softmax. As there, the sum is divided by all cells, so that the
    term grows with the share of cells that are trusted.

    Args:
        logits: Of the strong view, (B, C).
        targets: Pseudo-labels in [0, 1], (B, C).
        selected: True where they are trusted, (B, C) bool.

    Returns:
        Scalar, in nats; 0 if nothing is selected.
    """
    cells = binary_cross_entropy_with_logits(logits.float(), targets.float(), reduction="none")
    return (cells * selected).mean()
