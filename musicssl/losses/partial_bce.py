"""Binary cross-entropy normalised by the observed fraction of each clip's labels."""

from torch import Tensor

from musicssl.losses.masked_bce import cell_losses


def partial_bce(
    logits: Tensor,
    targets: Tensor,
    mask: Tensor,
    alpha: float = 1.0,
    beta: float = 0.0,
    gamma: float = -1.0,
) -> Tensor:
    """Average g(p) / C times the sum of a clip's cross-entropies; p is its observed fraction.

    g(p) = alpha p^gamma + beta: Durand, Mehrasa and Mori 2019, https://arxiv.org/abs/1902.09720,
    eq. 2, and Gururani's thesis, eq. 3.5 to 3.7, which prints it without the minus sign. The
    default g(p) = 1/p is the mean over a clip's observed cells, then over clips; `masked_bce`
    differs from it if clips differ in their number of observed cells. Clips without observed cells,
    for which p^-1 is infinite, are left out of the mean; a batch of such clips has loss 0.

    Args:
        logits: Log-odds, (B, C).
        targets: In [0, 1], (B, C); arbitrary where not observed.
        mask: True where observed, (B, C).
        alpha: Factor of the power of p.
        beta: Constant of g; alpha = 0, beta = 1 ignores p.
        gamma: Exponent of p.

    Returns:
        Scalar, in nats.
    """
    sums = cell_losses(logits, targets, mask).sum(dim=1)  # (B,)
    labelled = mask.any(dim=1)
    share = mask.float().mean(dim=1).where(labelled, 1)  # 1 keeps the power finite
    weights = (alpha * share**gamma + beta) * labelled / mask.shape[1]
    return (weights * sums).sum() / labelled.sum().clamp_min(1)
