"""The bound of a variational autoencoder whose prior is a mixture of Gaussians.

Jiang et al. 2017, "Variational Deep Embedding", https://arxiv.org/abs/1611.05148, section 3.2:
p(c) = pi_c, p(z|c) = N(mu_c, s_c^2), q(z|x) = N(m, s^2), and q(c|x) = p(c|z) at a sampled z, which
is called gamma. All results are in nats, to be minimised, and in float32 like the mixture, even if
the encoder is in half precision.

Responsibilities are a softmax of logarithms. Both public implementations normalise
exp(log p) + 1e-10: in 64 dimensions every exp is 0 in float32, and gamma is uniform.
"""

from typing import NamedTuple

from torch import Tensor


class Mixture(NamedTuple):
    """A mixture of K Gaussians with diagonal covariances.

    Attributes:
        log_weights: Logarithms of the components' probabilities, (K,).
        means: (K, Z).
        log_variances: (K, Z).
    """

    log_weights: Tensor
    means: Tensor
    log_variances: Tensor


def log_responsibilities(z: Tensor, mixture: Mixture) -> Tensor:
    """Return log p(c|z) of every component, (..., Z) -> (..., K)."""
    log_weights, means, log_variances = mixture
    square = (z.unsqueeze(-2) - means).square() * (-log_variances).exp()  # (..., K, Z)
    log_densities = -0.5 * (square + log_variances).sum(dim=-1)  # log(2 pi) cancels
    return (log_weights + log_densities).log_softmax(dim=-1)


def component_costs(mean: Tensor, log_variance: Tensor, mixture: Mixture) -> Tensor:
    """Return KL(q(z|x) || p(z|c)) - log pi_c, the cost of each component c, (..., K).

    Args:
        mean: Mean of q(z|x), (..., Z).
        log_variance: Log-variance of q(z|x), (..., Z).
        mixture: The prior.
    """
    log_weights, means, log_variances = mixture
    m, log_v = mean.unsqueeze(-2), log_variance.unsqueeze(-2)  # (..., 1, Z)
    spread = (log_v - log_variances).exp() + (m - means).square() * (-log_variances).exp()
    return 0.5 * (spread + log_variances - log_v - 1).sum(dim=-1) - log_weights


def vade_kl(costs: Tensor, log_gamma: Tensor) -> Tensor:
    """Return KL(q(z, c|x) || p(z, c)) = sum_c gamma_c (cost_c + log gamma_c), (..., K) -> (...).

    The negative bound is this KL plus the reconstruction term. Its minimum is -logsumexp(-cost), at
    gamma = softmax(-cost); gamma of a sampled z differs from that and costs more. Gradients flow
    through gamma, as in the authors' code.

    If the class of a clip is labelled, gamma is one-hot and the KL is the cost of that class.

    Args:
        costs: See `component_costs`.
        log_gamma: log q(c|x).
    """
    return (log_gamma.exp() * (costs + log_gamma)).sum(dim=-1)
