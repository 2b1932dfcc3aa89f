"""The label curve: metrics of probes that learn from nested subsets of the labelled clips."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from musicssl.data.splits import labelled_subset
from musicssl.errors import InputError
from musicssl.evaluation.tasks import Task
from musicssl.probing.base import Embeddings, Judge

FRACTIONS = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


class CurvePoint(NamedTuple):
    """Metrics of a probe that learnt from a subset of the labelled clips.

    Attributes:
        fraction: Fraction of the labelled clips in the subset.
        clips: Number of clips in the subset.
        macro: Overall metrics by name.
    """

    fraction: float
    clips: int
    macro: dict[str, float]


def label_curve(
    learn: Callable[[Embeddings], Judge],
    train: Embeddings,
    test: Embeddings,
    task: Task,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
) -> list[CurvePoint]:
    """Measure probes that learn from growing fractions of the labelled clips.

    The clips of a fraction are a subset of those of each larger one. Of fractions with the same
    number of clips only the largest is a point of the curve.

    Args:
        learn: Fits a probe to labelled clips, such as `nearest_prototype`.
        train: Training clips.
        test: Test clips.
        task: The task of the targets.
        fractions: Fractions of the labelled clips, each in [0, 1]; ascending. A fraction above 0
            has at least one clip.
        seed: Seed of the draw; see `musicssl.data.splits.labelled_subset`.

    Raises:
        InputError: If no training clip has a label, or a fraction is not in [0, 1].
    """
    if not train.mask.any():
        raise InputError("no training clip has a label to learn from; raise data.p_s.")
    y, mask = train.y.cpu().numpy(), train.mask.cpu().numpy()
    subsets = [(fraction, labelled_subset(y, mask, fraction, seed)) for fraction in fractions]
    by_count = {len(subset): (fraction, subset) for fraction, subset in subsets}  # keeps the last
    points = []
    for clips, (fraction, subset) in by_count.items():
        rows = torch.from_numpy(subset).to(train.h.device)
        judge = learn(train.select(rows))
        metrics = task.metrics(judge(test.h), test.y, test.mask)
        points.append(CurvePoint(fraction, clips, metrics.macro))
    return points
