"""Similarity matching: class probabilities and similarities to labelled clips correct each other.

Zheng et al. 2022, https://arxiv.org/abs/2203.06915. A clip has a semantic prediction, probabilities
p of C classes, and an instance prediction, probabilities q of K labelled clips of known classes.
"""

import torch
from torch import Tensor

from musicssl.losses.contrastive import unit_vectors

_NEVER = -1e9  # a logit of probability 0 whose logarithm is finite


def instance_logits(z: Tensor, memory: Tensor, filled: Tensor, temperature: float) -> Tensor:
    """Return logits whose softmax is the similarity of clips to labelled clips, (B, K).

    Equations 5 and 6: q_i = exp(cos(z, z_i) / temperature), normalised over labelled clips.

    Args:
        z: Projections of clips, (B, P), of any scale.
        memory: Projections of labelled clips, (K, P), of any scale.
        filled: Which of these are known, (K,) bool; the others have a similarity of 0, and all are
            equally similar if none is known.
        temperature: Divides the cosines; positive.
    """
    with torch.autocast(z.device.type, enabled=False):
        cosines = unit_vectors(z) @ unit_vectors(memory).T
    return (cosines / temperature).masked_fill(~filled, _NEVER)


def unfolded(q: Tensor, p: Tensor, classes: Tensor) -> Tensor:
    """Return similarities scaled by the probability of the class of each labelled clip, (B, K).

    Equations 9 and 10: q_i p(class of i), normalised over labelled clips.

    Args:
        q: Similarities to labelled clips, (B, K).
        p: Probabilities of classes, (B, C).
        classes: Class of each labelled clip, (K,) int64.
    """
    scaled = q * p[:, classes]
    return scaled / scaled.sum(dim=1, keepdim=True).clamp_min(1e-12)


def aggregated(q: Tensor, p: Tensor, classes: Tensor, alpha: float) -> Tensor:
    """Return probabilities of classes, mixed with those from similarities, (B, C).

    Equations 11 and 12: alpha p + (1 - alpha) times the sum of q over labelled clips of the class.

    Args:
        q: Similarities to labelled clips, (B, K).
        p: Probabilities of classes, (B, C).
        classes: Class of each labelled clip, (K,) int64.
        alpha: Share of p, in [0, 1].
    """
    voted = torch.zeros_like(p).index_add_(1, classes, q.to(p.dtype))
    return alpha * p + (1 - alpha) * voted
