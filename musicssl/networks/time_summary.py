"""One vector of the instances of a clip over time: their mean, and what can stand beside it.

Which one fits depends on how a network was trained. The last layers of musicnn, for example, read
mean and maximum over time (Pons and Serra, 2019, https://arxiv.org/abs/1909.06654).
"""

import torch
from torch import Tensor

from musicssl.errors import InputError
from musicssl.networks.pooling import mean_over_time

SUMMARIES = ("mean", "mean_max", "mean_std")


def check_summary(summary: object, setting: str) -> None:
    """Check the name of a summary.

    Args:
        summary: The name.
        setting: Name of the setting that chooses it, for the message.

    Raises:
        InputError: If there is no such summary.
    """
    if summary not in SUMMARIES:
        raise InputError(f"{setting} must be one of {', '.join(SUMMARIES)}, got {summary}.")


def over_time(h: Tensor, valid: Tensor | None, summary: str) -> Tensor:
    """Summarise the valid instances of each clip.

    Args:
        h: Embeddings, or features, (B, T, D).
        valid: True where an instance is not padding, (B, T) bool; None if all are valid.
        summary: "mean"; "mean_max": the mean, then the maximum of each feature; "mean_std": the
            mean, then the standard deviation of the population (divided by T).

    Returns:
        Vectors, (B, D), or (B, 2 D) with a second statistic.
    """
    mean = mean_over_time(h, valid)
    if summary == "mean":
        return mean
    if summary == "mean_max":
        known = h if valid is None else h.where(valid[..., None], -torch.inf)
        return torch.cat([mean, known.amax(dim=1)], dim=1)
    if valid is None:  # which torch.export can write for clips of any length
        variance, mean = torch.var_mean(h, dim=1, correction=0)
        return torch.cat([mean, variance.sqrt()], dim=1)
    deviations = (h - mean[:, None]).square()
    return torch.cat([mean, mean_over_time(deviations, valid).sqrt()], dim=1)
