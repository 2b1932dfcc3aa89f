"""Bounds of the semi-supervised deep generative model M2.

Kingma, Rezende, Mohamed and Welling 2014, https://arxiv.org/abs/1406.5298. Both are negative, to be
minimised, in nats; log p(y) is part of L, so that U needs no KL of q(y|x).
"""

from torch import Tensor
from torch.nn.functional import logsigmoid


def unlabelled_bound(bounds: Tensor, log_q: Tensor) -> Tensor:
    """Return U(x) = sum_y q(y|x) L(x, y) - H(q(y|x)), equation 7 negated.

    Gradients flow through q into the classifier, through L into the rest. U is never less than
    `-logsumexp(-L)` over y, which it is at q = softmax(-L).

    Args:
        bounds: L(x, y) of each value of y, log p(y) included, (..., K).
        log_q: log q(y|x), (..., K).
    """
    return (log_q.exp() * (bounds + log_q)).sum(dim=-1)


def log_answers(logits: Tensor) -> Tensor:
    """Return log q(y|x) of all K answers, (..., K) float32.

    Args:
        logits: Of K answers, (..., K); or, (..., 1), of the answer "present", the second of two.
    """
    logits = logits.float()
    if logits.shape[-1] > 1:
        return logits.log_softmax(dim=-1)
    both: Tensor = logsigmoid(logits * logits.new_tensor([-1.0, 1.0]))  # absent, present
    return both
