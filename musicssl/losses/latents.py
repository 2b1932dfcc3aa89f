"""Latent variables: KL divergences from their priors, and relaxed Bernoulli samples."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, variance) || N(0, I)) in nats, (..., Z) -> (...).

    Kingma and Welling 2014, https://arxiv.org/abs/1312.6114, appendix B.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=-1)


def kl_between(
    mean: Tensor, log_variance: Tensor, prior_mean: Tensor, prior_log_variance: Tensor
) -> Tensor:
    """Return KL(N(mean, variance) || N(prior_mean, prior_variance)) in nats, (..., Z) -> (...)."""
    ratio = (log_variance - prior_log_variance).exp()
    distance = (mean - prior_mean).square() * (-prior_log_variance).exp()
    return 0.5 * (ratio + distance - 1 + prior_log_variance - log_variance).sum(dim=-1)


def relaxed_bernoulli(logits: Tensor, temperature: float, uniform: Tensor | None = None) -> Tensor:
    """Draw samples in (0, 1) of the relaxed Bernoulli, or binary Concrete, distribution, (...).

    Maddison et al. 2017, https://arxiv.org/abs/1611.00712, appendix B; Jang et al. 2017,
    https://arxiv.org/abs/1611.01144, define it for any number of values. The lower the temperature,
    the closer samples are to 0 and 1, and the noisier the gradients. A rounded sample is 1 with
    probability sigmoid(logit) at any temperature.

    Args:
        logits: Log-odds of 1, (...).
        temperature: Temperature, above 0.
        uniform: Uniform noise in [0, 1), (...); None to draw it.
    """
    uniform = torch.rand_like(logits) if uniform is None else uniform
    return ((logits + uniform.logit()) / temperature).sigmoid()


def bernoulli_kl(logits: Tensor, prior_logits: Tensor) -> Tensor:
    """Return KL(Bernoulli || Bernoulli) in nats from the log-odds of both, (...).

    Args:
        logits: Log-odds of the first distribution, (...).
        prior_logits: Log-odds of the second distribution, broadcastable to `logits`.
    """
    present = logits.sigmoid() * (logsigmoid(logits) - logsigmoid(prior_logits))
    absent = (-logits).sigmoid() * (logsigmoid(-logits) - logsigmoid(-prior_logits))
    return present + absent
