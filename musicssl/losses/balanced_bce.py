"""Binary cross-entropy in which a class's positives weigh as much as its negatives."""

from torch import Tensor

from musicssl.losses.masked_bce import cell_losses


def balanced_bce(logits: Tensor, targets: Tensor, mask: Tensor, prior: Tensor) -> Tensor:
    """Average over observed cells, the positive term of each class weighted by negatives/positives.

    The balanced loss (BL) of Gururani's thesis, section 3.4. A class without positives in
    training, or never observed, keeps weight 1.

    Args:
        logits: Log-odds, (B, C).
        targets: In [0, 1], (B, C); may hold anything where not observed.
        mask: True where observed, (B, C).
        prior: Share of positives among the observed training labels of each class, (C,). A method
            gives it to any loss that has a parameter of this name.

    Returns:
        Scalar, in nats, weighted.
    """
    weight = ((1 - prior) / prior).where(prior > 0, 1)
    return cell_losses(logits, targets, mask, weight).sum() / mask.sum().clamp_min(1)


def label_prior(targets: Tensor, mask: Tensor) -> Tensor:
    """Return the share of positives among the observed labels of each class, (N, C) -> (C,).

    A class that was never observed has none: NaN.
    """
    positives = (targets.where(mask, 0) >= 0.5).sum(dim=0)
    return positives / mask.sum(dim=0)
