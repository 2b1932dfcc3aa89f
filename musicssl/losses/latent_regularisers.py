"""Regularisers of the latent variables of an autoencoder: capacity, order of attributes, factors.

N clips, Z latent variables, A attributes.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def attribute_order(z: Tensor, attributes: Tensor, mask: Tensor, delta: float) -> Tensor:
    """Return how far the order of clips along latent variables is from that by their attributes.

        L_r = mean over i, j of | tanh(delta (z_ir - z_jr)) - sign(a_ir - a_jr) |

    Pati and Lerch 2021, https://arxiv.org/abs/2004.05485, equation 5. The mean is over all ordered
    pairs of clips in which the attribute was observed, also over those of a clip with itself, which
    are 0, as in the authors' code. With N clips without ties it is 0 where the orders agree, and at
    most 2 (N - 1) / N where they are reversed. Clips with the same value are drawn together. Only
    the order of values counts, so that any increasing function of an attribute gives the same.

    Args:
        z: Latent variable r is for attribute r, (N, A).
        attributes: (N, A); arbitrary where `mask` is False.
        mask: True where the attribute was observed, (N, A) bool.
        delta: Slope of the hyperbolic tangent.

    Returns:
        (A,); 0 for an attribute that was observed in no clip.
    """
    rows = (delta * z).T  # (A, N)
    observed = mask.to(z.dtype).T
    values = attributes.to(z.dtype).where(mask, 0).T
    order = torch.sign(values.unsqueeze(2) - values.unsqueeze(1))  # (A, N, N)
    distance = (torch.tanh(rows.unsqueeze(2) - rows.unsqueeze(1)) - order).abs()
    total = (distance @ observed.unsqueeze(2)).squeeze(2) * observed  # sum over j, (A, N)
    return total.sum(dim=1) / observed.sum(dim=1).square().clamp_min(1)


def total_correlation(logits: Tensor) -> Tensor:
    """Estimate how far q(z) is from the product of its margins, in nats, by a discriminator.

    Kim and Mnih 2018, https://arxiv.org/abs/1802.05983, equation 3: the mean of log D(z) minus
    log (1 - D(z)), which for two outputs is their difference.

    Args:
        logits: Of samples of q(z): that they are such, and that they are permuted, (N, 2).
    """
    return (logits[:, 0] - logits[:, 1]).mean()


def discriminator_loss(real: Tensor, permuted: Tensor) -> Tensor:
    """Return the cross-entropy of a discriminator of samples of q(z) and of its margins' product.

    Kim and Mnih 2018, algorithm 2.

    Args:
        real: Logits of samples of q(z), (N, 2).
        permuted: Logits of samples whose dimensions were permuted, (M, 2).
    """
    targets = [torch.full((len(x),), i, device=x.device) for i, x in enumerate((real, permuted))]
    return 0.5 * (cross_entropy(real, targets[0]) + cross_entropy(permuted, targets[1]))


def permuted_dimensions(z: Tensor) -> Tensor:
    """Permute the clips of each dimension by themselves, (N, Z).

    Kim and Mnih 2018, algorithm 1.
    """
    order = torch.rand(z.shape, device=z.device).argsort(dim=0)
    return z.gather(0, order)
