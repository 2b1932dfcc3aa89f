"""What embeddings are worth at few labels and at more: probes of nested subsets of the clips."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from musicssl.data.splits import labelled_subset
from musicssl.errors import InputError
from musicssl.evaluation.tasks import Task
from musicssl.probing.base import Embeddings, Judge

FRACTIONS = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


class CurvePoint(NamedTuple):
    """How well a probe of some labelled clips does.

    Attributes:
        fraction: Of the labelled clips that it learnt from.
        clips: That it is.
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
    """Judge probes that learn from few labelled clips, and from more.

    The clips of a fraction are among those of each larger one. Fractions that are the same number
    of clips are one point, that of the largest.

    Args:
        learn: Makes a probe of labelled clips, such as `nearest_prototype`.
        train: To learn from.
        test: To judge by.
        task: What the targets are.
        fractions: Of the labelled clips, each in [0, 1]; ascending, at least one clip above 0.
        seed: Of the draw; see `musicssl.data.splits.labelled_subset`.

    Raises:
        InputError: If no training clip has a label, or a fraction is not in [0, 1].
    """
    if not train.mask.any():
        raise InputError("no training clip has a label to learn from; raise data.p_s.")
    y, mask = train.y.cpu().numpy(), train.mask.cpu().numpy()
    subsets = [(fraction, labelled_subset(y, mask, fraction, seed)) for fraction in fractions]
    by_count = {len(kept): (fraction, kept) for fraction, kept in subsets}  # the last one stays
    points = []
    for clips, (fraction, kept) in by_count.items():
        rows = torch.from_numpy(kept).to(train.h.device)
        judge = learn(train.select(rows))
        metrics = task.metrics(judge(test.h), test.y, test.mask)
        points.append(CurvePoint(fraction, clips, metrics.macro))
    return points
