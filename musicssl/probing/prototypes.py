"""Classification without training: a clip is of the class whose clips it lies nearest to.

A class is stood for by its prototype, the mean embedding of its clips, and a clip is scored by the
cosine of the two. The published code of SemiSupCon differs in three ways: it averages embeddings of
any length, so that the longest decide; a class without a clip is divided by 0; and its mask has a
row for each clip where embeddings have one for each view, so that it runs with one view only.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from musicssl.errors import InputError
from musicssl.probing.linear import Embeddings
from musicssl.splits import labelled_subset
from musicssl.tasks import Task

FRACTIONS = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


class PrototypePoint(NamedTuple):
    """How well prototypes of some labelled clips classify.

    Attributes:
        fraction: Of the labelled clips that they are made of.
        clips: That it is.
        macro: Overall metrics by name.
    """

    fraction: float
    clips: int
    macro: dict[str, float]


def prototypes(z: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """Return the mean direction of the clips of each class, (C, P), shorter than 1 if they differ.

    Args:
        z: Embeddings of any length, (N, P); each is brought to length 1.
        y: Targets in [0, 1], by which clips are weighted, (N, C); may hold anything, NaN included,
            where not observed.
        mask: True where observed, (N, C).

    Returns:
        A row of NaN for a class that was observed present in no clip.
    """
    weights = y.where(mask, 0).T.to(z)  # (C, N)
    return weights @ normalize(z, dim=1) / weights.sum(dim=1, keepdim=True)


def prototype_scores(z: Tensor, prototypes: Tensor) -> Tensor:
    """Return the cosine of each clip and each class, (N, C).

    A class without a prototype has the least cosine, -1, for every clip: that orders no clips, an
    AUROC of 0.5, and is never the answer where a clip has one class.

    Args:
        z: Embeddings, (N, P).
        prototypes: (C, P); a row of NaN for a class without one.
    """
    cosines = normalize(z, dim=1) @ normalize(prototypes, dim=1).T
    return cosines.clamp(-1, 1).nan_to_num(-1)


def prototype_curve(
    train: Embeddings,
    test: Embeddings,
    task: Task,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
) -> list[PrototypePoint]:
    """Judge prototypes that are made of few labelled clips, and of more.

    The clips of a fraction are among those of each larger one. Scores are (1 + cosine) / 2, which
    is no probability: of several labels, judge them by AUROC and average precision, not by
    decisions at 0.5.

    Args:
        train: To make prototypes of.
        test: To judge them on.
        task: What the targets are.
        fractions: Of the labelled clips, each in [0, 1], at least one clip above 0.
        seed: Of the draw; see `musicssl.splits.labelled_subset`.

    Raises:
        InputError: In a regression, which has no classes, if no training clip has a label, or a
            fraction is not in [0, 1].
    """
    if task.name == "regression":
        raise InputError("the targets of a regression have no prototypes; use the linear probe.")
    if not train.mask.any():
        raise InputError("no training clip has a label to make prototypes of; raise data.p_s.")
    y, mask = train.y.cpu().numpy(), train.mask.cpu().numpy()
    points = []
    for fraction in fractions:
        kept = torch.from_numpy(labelled_subset(y, mask, fraction, seed)).to(train.h.device)
        centres = prototypes(train.h[kept], train.y[kept], train.mask[kept])
        scores = (1 + prototype_scores(test.h, centres)) / 2
        metrics = task.metrics(scores, test.y, test.mask)
        points.append(PrototypePoint(fraction, len(kept), metrics.macro))
    return points
