"""The slow way to measure a resample: lay out its clips, each as often as it was drawn."""

import numpy as np
import torch
from torch import Tensor

from musicssl.evaluation.multi_class import weighted_accuracy
from musicssl.evaluation.tasks import Task


def draw_counts(num_clips: int, num_resamples: int = 8, seed: int = 0) -> np.ndarray:
    """How often each clip is in each resample, (N, B); the first one is of all clips, once each."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(num_clips, np.full(num_clips, 1 / num_clips), num_resamples).T
    counts[:, 0] = 1
    return counts.astype(np.float64)


def measured_on_repeated_clips(
    scores: Tensor,
    targets: Tensor,
    mask: Tensor,
    task: Task,
    counts: np.ndarray,
    credit: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Metrics by name, (K, B), of scores, (K, N, C)."""
    found: dict[str, list[list[float]]] = {}
    for one in scores:
        for times in counts.T:
            rows = torch.from_numpy(np.repeat(np.arange(len(times)), times.astype(int)))
            parts = one[rows], targets[rows], mask[rows]
            macro = task.metrics(*parts).macro
            if credit is not None:
                macro["weighted_accuracy"] = weighted_accuracy(*parts, torch.from_numpy(credit))
            for name, value in macro.items():
                found.setdefault(name, []).append(value)
    return {name: np.reshape(values, (len(scores), -1)) for name, values in found.items()}
