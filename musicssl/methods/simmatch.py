"""`simmatch`: targets of a strong view are predictions and similarities from a weak view."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.losses.contrastive import unit_vectors
from musicssl.losses.cross_entropy import pseudo_label_cross_entropy
from musicssl.losses.similarity_matching import aggregated, instance_logits, unfolded
from musicssl.methods.base.ensembling import EnsemblingMethod
from musicssl.methods.base.semi_supervised import Step
from musicssl.networks.alignment import DistributionAlignment
from musicssl.networks.distributed import gathered, world_size
from musicssl.networks.ensemble import PredictionEnsemble
from musicssl.networks.projector import Projector
from musicssl.networks.thresholds.base import Thresholds


class SimMatch(EnsemblingMethod):
    """Match two views in their predictions and in their similarities to the labelled clips.

    Zheng et al. 2022, https://arxiv.org/abs/2203.06915, for corpora with one class per clip. Both
    views pass the student in one batch. From the weak view of an unlabelled clip come probabilities
    p of the classes, aligned to a uniform average, and similarities q to the labelled clips, the
    softmax of cosines of projections. Each corrects the other: q is weighted by the probability of
    each labelled clip's class (unfolding), and p is mixed with the votes of similar labelled clips
    (aggregation). The corrected p is the soft target of the strong view's classes where
    `thresholds` trust it, the corrected q that of the strong view's similarities for every clip:

        consistency = semantic + instance_weight * instance  (equations 2, 7 and 8)

    The projections of labelled clips are moving averages over the weak views in training (equation
    13, the variant of the paper for small corpora, which needs no teacher). They are part of
    checkpoints.

    Differences from the paper: a labelled clip takes part from when it was first seen, where the
    authors' code starts with random projections and leaves similarities out of the first epoch. The
    average starts at the first projection. The paper draws seven unlabelled clips for each labelled
    one: `data.b_s=0.125`. The moving average of p has a momentum; the code averages over the last
    256 batches.

    Logged with each epoch: `train/selected`, the weights of the pseudo-labels per unlabelled clip,
    `train/semantic_loss`, `train/instance_loss`, and `train/remembered`, the share of the labelled
    clips that have a projection.

    Args:
        projector: Builds the projector from the size of an embedding.
        thresholds: Builds the thresholds from `num_classes` and `one_class_per_clip`; fixed at 0.95
            in the paper.
        alignment: Momentum of the average of p, in [0, 1); None for no alignment.
        temperature: Divides the cosines, t.
        alpha: Share of p in its mix with the votes, in [0, 1]; 1 leaves out aggregation.
        instance_weight: Weight of the instance loss over that of the semantic loss.
        num_classes: Number of classes, C.
        parts: See `EnsemblingMethod`; `momentum` is that of the projections of labelled clips.

    Raises:
        InputError: If clips of the corpus do not have one class each, or a setting is out of range.
    """

    slots: Tensor
    classes: Tensor

    def __init__(
        self,
        *,
        projector: Callable[[int], Projector],
        thresholds: Callable[..., Thresholds],
        alignment: float | None = 0.99,
        temperature: float = 0.1,
        alpha: float = 0.9,
        instance_weight: float = 1.0,
        momentum: float = 0.7,
        num_classes: int,
        **parts: Any,
    ) -> None:
        super().__init__(num_classes=num_classes, momentum=momentum, **parts)
        if not self.task.one_class_per_clip:
            raise InputError(
                "method=simmatch is for corpora with one class per clip, whose labelled clips vote "
                f"for their class, but the targets of this corpus are {self.task.name}; choose "
                f"method={'fixmatch or ' if self.task.has_classes else ''}mean_teacher."
            )
        _check_settings(temperature, alpha, instance_weight)
        self.projector = projector(self.classifier.encoder.embed_dim)
        self.thresholds = thresholds(num_classes=num_classes, one_class_per_clip=True)
        self.alignment = None
        if alignment is not None:
            self.alignment = DistributionAlignment(num_classes, alignment, True, uniform=True)
        self.temperature = temperature
        self.alpha = alpha
        self.instance_weight = instance_weight

    def setup(self, stage: str) -> None:
        """Allocate a slot for each labelled clip, and one for all other clips that is not used."""
        super().setup(stage)
        if stage != "fit":
            return
        rows = self.data.labelled()
        targets, mask = self.data.subsets.labels.values(rows)
        known = self.task.usable(mask).all(dim=1)
        labelled = torch.from_numpy(rows)[known]
        num_rows = max(len(self.data.corpus.y), int(self.data.training_rows()[-1]) + 1)
        slots = torch.full((num_rows,), len(labelled))
        slots[labelled] = torch.arange(len(labelled))
        self.register_buffer("slots", slots.to(self.device), persistent=False)
        classes = targets[known].argmax(dim=1)
        self.register_buffer("classes", classes.to(self.device), persistent=False)
        self.ensemble = PredictionEnsemble(
            len(labelled) + 1, self.projector.out_dim, self.momentum
        ).to(self.device)

    def step(self, batch: Batch) -> Step:
        """Compare the strong view with the corrected predictions of the weak view."""
        assert batch.rows is not None
        labelled = self.task.usable(batch.mask).all(dim=1)
        (weak, z_weak), (strong, z_strong) = self._seen(batch, labelled)
        z_weak, (memory, filled) = z_weak.detach(), self._memory()
        raw = self.task.scores(weak.detach())
        p = self._aligned(raw, labelled)
        q = instance_logits(z_weak, memory, filled, self.temperature).softmax(dim=1)
        mixed = aggregated(q, p, self.classes, self.alpha).where(filled.any(), p)
        trust = self._trust(mixed, raw, labelled)  # (B,)
        targets = unfolded(q, p, self.classes) * filled.any()
        similar = instance_logits(z_strong, memory, filled, self.temperature)

        (labelled_of_all,) = gathered(labelled)  # ranks may have more unlabelled clips or fewer
        share = len(strong) * world_size() / (~labelled_of_all).sum().clamp_min(1)
        pseudo = (trust[:, None] * mixed)[~labelled]
        semantic = share * pseudo_label_cross_entropy(strong, pseudo)
        semantic = semantic + self.thresholds.penalty(strong, trust[~labelled])
        instance = share * pseudo_label_cross_entropy(similar, targets[~labelled])
        self.update_ensemble(self.slots[batch.rows], unit_vectors(z_weak))
        notes = {
            "semantic_loss": semantic,
            "instance_loss": instance,
            "selected": trust.sum() / (~labelled).sum().clamp_min(1),
            "remembered": filled.float().mean(),
        }
        return Step(weak, semantic + self.instance_weight * instance, notes)

    def _seen(self, batch: Batch, labelled: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        """Return logits and projections of weak views, and of strong views of unlabelled clips."""
        views, compared = batch.augmented(self.views.target), batch.select(~labelled)
        if len(compared.x):
            views = views.join(compared.augmented(self.views.student))
        outputs = self.answers(self._logits_and_projections, views)
        of_views = outputs.tensor_split([len(labelled)])
        return tuple(part.tensor_split([batch.y.shape[1]], dim=1) for part in of_views)

    def compiled_calls(self) -> list[tuple[nn.Module, str]]:
        """Return what its training step calls that can be compiled; see `Method`."""
        return [*super().compiled_calls(), (self, "projector")]

    def _logits_and_projections(self, batch: Batch) -> Tensor:
        logits, embeddings = self.classifier.with_clip_embeddings(batch)
        return torch.cat([logits, self.projector(embeddings)], dim=1)

    def _memory(self) -> tuple[Tensor, Tensor]:
        """Return the projections of the labelled clips, (K, P), and which of them are known."""
        return self.ensemble.targets(torch.arange(len(self.classes), device=self.device))

    def _aligned(self, p: Tensor, labelled: Tensor) -> Tensor:
        """Return aligned probabilities, (B, C), after the average of all ranks was updated."""
        if self.alignment is None:
            return p
        of_all, labelled_of_all = gathered(p, labelled)
        self.alignment.update(of_all, labelled_of_all[:, None].expand_as(of_all))
        aligned: Tensor = self.alignment(p)
        return aligned

    def _trust(self, p: Tensor, raw: Tensor, labelled: Tensor) -> Tensor:
        """Return the weight of each clip's pseudo-label, (B,), 0 for labelled clips.

        Args:
            p: Corrected predictions, (B, C).
            raw: Predictions as they are, (B, C), which count for labelled clips.
            labelled: (B,) bool.
        """
        of_all, labelled_of_all = gathered(raw.where(labelled[:, None], p), labelled)
        self.thresholds.update(of_all, self.prior, ~labelled_of_all)
        return self.thresholds.weights(p, self.prior)[0].sum(dim=1) * ~labelled


def _check_settings(temperature: float, alpha: float, instance_weight: float) -> None:
    """Check the numbers of the method.

    Raises:
        InputError: If one is out of range.
    """
    if not temperature > 0:
        raise InputError(f"method.temperature must be positive, got {temperature:g}.")
    if not 0 <= alpha <= 1:
        raise InputError(f"method.alpha must be in [0, 1], got {alpha:g}.")
    if not instance_weight >= 0:
        raise InputError(f"method.instance_weight must be 0 or more, got {instance_weight:g}.")
