"""Bounds of the semi-supervised deep generative model M2.

Kingma, Rezende, Mohamed and Welling 2014, https://arxiv.org/abs/1406.5298. Both are negative
bounds, to be minimised, in nats; log p(y) is part of L, so that U needs no KL of q(y|x).
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def unlabelled_bound(bounds: Tensor, log_q: Tensor) -> Tensor:
    """Return U(x) = sum_y q(y|x) L(x, y) - H(q(y|x)), equation 7 negated.

    Gradients flow through q into the classifier and through L into the other networks. The minimum
    of U is `-logsumexp(-L)` over y, at q = softmax(-L).

    Args:
        bounds: L(x, y) of each value of y, including log p(y), (..., K).
        log_q: log q(y|x), (..., K).
    """
    return (log_q.exp() * (bounds + log_q)).sum(dim=-1)


def log_answers(logits: Tensor) -> Tensor:
    """Return log q(y|x) of all K values of y, (..., K) float32.

    Args:
        logits: Logits of K values, (..., K); or, (..., 1), the logit of "present", in which case
            the K = 2 values are absent and present.
    """
    logits = logits.float()
    if logits.shape[-1] > 1:
        return logits.log_softmax(dim=-1)
    log_q: Tensor = logsigmoid(torch.cat([-logits, logits], dim=-1))  # absent, present
    return log_q
