"""Nearest-prototype probe: classification without training.

The prototype of a class is the mean embedding of its clips, and the score of a clip is its cosine
with the prototype. The published code of SemiSupCon differs in three ways: it averages embeddings
of any length, so that the longest dominate; it divides by 0 for a class without clips; and its mask
has a row for each clip while embeddings have one for each view, so that it works with one view
only.
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
from musicssl.probing.solvers.scales import loss_of_scores


def prototypes(z: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """Return the mean direction of the clips of each class, (C, P), shorter than 1 if they differ.

    Args:
        z: Embeddings of any length, (N, P); each is divided by its length.
        y: Targets in [0, 1], which are the weights of clips, (N, C); arbitrary where not observed,
            even NaN.
        mask: True where observed, (N, C).

    Returns:
        Prototypes, (C, P); a row of NaN for a class that was not observed as present in any clip.
    """
    weights = y.where(mask, 0).T.to(z)  # (C, N)
    return weights @ normalize(z, dim=1) / weights.sum(dim=1, keepdim=True)


def prototype_scores(z: Tensor, prototypes: Tensor) -> Tensor:
    """Return the cosine of each clip and each class, (N, C).

    A class without a prototype has the lowest cosine, -1, for every clip: its AUROC is 0.5, and it
    is never chosen if a clip has one class.

    Args:
        z: Embeddings, (N, P).
        prototypes: Prototypes, (C, P); a row of NaN for a class without one.
    """
    cosines = normalize(z, dim=1) @ normalize(prototypes, dim=1).T
    return cosines.clamp(-1, 1).nan_to_num(-1)


def nearest_prototype(train: Embeddings) -> Judge:
    """Return a function that scores clips by the prototypes of labelled clips: (1 + cosine) / 2.

    Embeddings are first standardised by the labelled clips, as for the linear probe. Otherwise the
    common part of all clips would dominate: if clips have several classes, the means of classes are
    nearly parallel. (The published code does not standardise projections. On validation clips of
    synthband this gave an AUROC of 0.55, compared with 0.64 here.) A single clip, or clips that are
    all equal, have no spread, so they are not standardised.

    Scores are not probabilities: with several labels, use AUROC and average precision, not
    decisions at 0.5. The targets of a regression are not classes and have no prototypes.
    """
    if varying(train.h, torch.ones_like(train.h, dtype=torch.bool)).any():
        mean, spread = standardisation(train.h)
    else:
        mean, spread = torch.zeros_like(train.h[0]), torch.ones_like(train.h[0])
    centres = prototypes((train.h - mean) / spread, train.y, train.mask)
    return lambda h: (1 + prototype_scores((h - mean) / spread, centres)) / 2


@dataclass(frozen=True)
class Prototypes:
    """Classify by `nearest_prototype`, without any setting to choose.

    `val_loss` treats the scores as probabilities, which they are not, so do not compare it with
    that of another kind of probe.
    """

    @torch.no_grad()
    def fit(
        self, train: Embeddings, subsets: Sequence[Tensor], val: Embeddings, task: Task
    ) -> list[FittedProbe]:
        """Compute the prototypes of each subset; see `musicssl.probing.base.Probe`.

        Raises:
            InputError: If the targets are values, a subset or the validation clips have no label,
                or an embedding is not finite.
        """
        if not task.has_classes:
            raise InputError(
                "probe=prototypes needs classes, but this corpus has values; choose probe=linear "
                "or probe=knn."
            )
        check_learnable(train, subsets, val, task)
        judges = [nearest_prototype(train.select(rows)) for rows in subsets]
        losses = [loss_of_scores(judge(val.h), val.y, val.mask, task) for judge in judges]
        return [FittedProbe(judge, loss, {}) for judge, loss in zip(judges, losses, strict=True)]
