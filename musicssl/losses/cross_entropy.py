"""Cross-entropy of clips that belong to one class each."""

from torch import Tensor


def cross_entropy(
    logits: Tensor, targets: Tensor, mask: Tensor, prior: Tensor | None = None
) -> Tensor:
    """Average the cross-entropy of a softmax over the clips whose class was observed.

    A clip of which not all classes were observed is left out: that a class is absent does not say
    which one is present. Without any observed clip the loss is 0, with a gradient of 0.

    Args:
        logits: Up to a constant of the clip, log-probabilities, (B, C).
        targets: A distribution over classes, such as one-hot, (B, C); may hold anything, NaN
            included, where not observed.
        mask: True where observed, (B, C).
        prior: Not used; all losses share the signature.

    Returns:
        Scalar, in nats.
    """
    known = mask.all(dim=1)  # (B,)
    targets = targets.where(known[:, None], 0)
    losses = -(targets * logits.float().log_softmax(dim=1)).sum(dim=1)  # (B,)
    return losses.sum() / known.sum().clamp_min(1)
