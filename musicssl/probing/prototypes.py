"""Classification without training: a clip is of the class whose clips it lies nearest to.

A class is stood for by its prototype, the mean embedding of its clips, and a clip is scored by the
cosine of the two. The published code of SemiSupCon differs in three ways: it averages embeddings of
any length, so that the longest decide; a class without a clip is divided by 0; and its mask has a
row for each clip where embeddings have one for each view, so that it runs with one view only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from musicssl.errors import InputError
from musicssl.evaluation.tasks import Task
from musicssl.probing.base import Embeddings, FittedProbe, Judge
from musicssl.probing.linear import standardisation, varying
from musicssl.probing.solvers.labels import check_learnable
from musicssl.probing.solvers.scores import loss_of_scores


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


def nearest_prototype(train: Embeddings) -> Judge:
    """Return what scores clips by the prototypes of some labelled ones: (1 + cosine) / 2.

    Embeddings are standardised by the labelled clips first, as for the linear probe. What all clips
    have in common would otherwise decide: where a clip has several classes, their means are nearly
    parallel. (The published code compares projections as they are. On validation clips of synthband
    that gave an AUROC of 0.55 where this gives 0.64.) A single clip, or clips that are all alike,
    have no spread to standardise by: they are compared as they are.

    That is no probability: of several labels, judge it by AUROC and average precision, not by
    decisions at 0.5. The targets of a regression are no classes and have no prototypes.
    """
    if varying(train.h, torch.ones_like(train.h, dtype=torch.bool)).any():
        mean, spread = standardisation(train.h)
    else:
        mean, spread = torch.zeros_like(train.h[0]), torch.ones_like(train.h[0])
    centres = prototypes((train.h - mean) / spread, train.y, train.mask)
    return lambda h: (1 + prototype_scores((h - mean) / spread, centres)) / 2


@dataclass(frozen=True)
class Prototypes:
    """Classify by `nearest_prototype`. There is nothing to choose.

    `val_loss` takes the scores for the probabilities that they are not, so that it is no loss to
    compare with that of another kind of probe.
    """

    @torch.no_grad()
    def fit(
        self, train: Embeddings, subsets: Sequence[Tensor], val: Embeddings, task: Task
    ) -> list[FittedProbe]:
        """Find the prototypes of each subset; see `musicssl.probing.base.Probe`.

        Raises:
            InputError: If the targets are values, a subset or the validation clips have no label,
                or an embedding is not finite.
        """
        if task.name == "regression":
            raise InputError(
                "prototypes are of classes, but this corpus has values; choose probe=linear or "
                "probe=knn."
            )
        check_learnable(train, subsets, val, task)
        judges = [nearest_prototype(train.select(rows)) for rows in subsets]
        losses = [loss_of_scores(judge(val.h), val.y, val.mask, task) for judge in judges]
        return [FittedProbe(judge, loss, {}) for judge, loss in zip(judges, losses, strict=True)]
