"""Cross-entropy for clips that belong to one class each."""

from torch import Tensor


def cross_entropy(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Average the cross-entropy of a softmax over the clips whose class was observed.

    A clip whose classes were not all observed is left out: the absence of one class does not say
    which class is present. Without any observed clip the loss is 0, with a gradient of 0.

    Args:
        logits: Log-probabilities up to a constant for each clip, (B, C).
        targets: A distribution over classes, such as one-hot, (B, C); arbitrary where not observed,
            even NaN.
        mask: True where observed, (B, C).

    Returns:
        Scalar, in nats.
    """
    labelled = mask.all(dim=1)  # (B,)
    targets = targets.where(labelled[:, None], 0)
    losses = -(targets * logits.float().log_softmax(dim=1)).sum(dim=1)  # (B,)
    return losses.sum() / labelled.sum().clamp_min(1)


def pseudo_label_cross_entropy(logits: Tensor, weights: Tensor) -> Tensor:
    """Average the weighted cross-entropy of pseudo-labels over *all* clips.

    FixMatch, Sohn et al. 2020, https://arxiv.org/abs/2001.07685, equation 4: the sum is divided by
    the number of all unlabelled clips, selected or not.

    Args:
        logits: Logits of the strong view of unlabelled clips, (U, C).
        weights: Weight of the class that is the pseudo-label of a clip, 0 for the other classes, or
            for all classes of a clip without a pseudo-label, (U, C).

    Returns:
        Scalar, in nats; 0 without a clip.
    """
    losses = -(weights * logits.float().log_softmax(dim=1)).sum(dim=1)  # (U,)
    return losses.sum() / max(len(losses), 1)
