"""`fixmatch`: confident predictions on a weak view are the targets of a strong view."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.losses.cross_entropy import pseudo_label_cross_entropy
from musicssl.losses.masked_bce import pseudo_label_bce
from musicssl.methods.base.semi_supervised import SemiSupervisedMethod, Step
from musicssl.networks.alignment import DistributionAlignment
from musicssl.networks.distributed import gathered, world_size
from musicssl.networks.thresholds.base import Thresholds


class FixMatch(SemiSupervisedMethod):
    """Train the network on a strong view with pseudo-labels predicted on a weak view of the clip.

    Sohn et al. 2020, https://arxiv.org/abs/2001.07685. Both views pass the student in one batch,
    the supervised loss uses the weak view, and the average of the weights is only used for
    evaluation. The weak view is `views.target`, the strong view `views.student`
    (`views=weak_strong`). Which predictions become pseudo-labels, and with what weight, is decided
    by `thresholds`: `fixed` as published, `adamatch`, `freematch`, `softmatch`, or `prior`.

    In a multi-class corpus this is the published method: the pseudo-label of an unlabelled clip is
    its most probable class, the loss is averaged over the unlabelled clips of the batch, and clips
    with labels have no strong view. The paper draws seven unlabelled clips for each labelled one:
    `data.b_s=0.125 thresholds=fixed`.

    In a multi-label corpus each class of each clip becomes a pseudo-label or not independently, and
    the loss is averaged over all cells. An observed label is always the target of the strong view,
    for any prediction, because most clips are partly labelled there.

    Logged with each epoch, in a multi-label corpus: `train/selected_...`, the share of unobserved
    cells that became pseudo-labels, present and absent. Their precision can only be measured on
    validation clips, as if their labels were hidden (and without dropout, so it differs a little
    from training): `val/present_rate`, the share of cells that would become a pseudo-label
    "present", and `val/present_precision`, the share of these that are right, both averaged over
    classes; the same for `absent`; and per class `val/present_rate/CLASS` and
    `val/present_precision/CLASS`. In a multi-class corpus: `train/selected`, the share of the
    unlabelled clips, `val/selected_rate` and `val/selected_precision`. Pseudo-labels count by their
    weight.

    Args:
        thresholds: Builds the thresholds from `num_classes` and `one_class_per_clip`.
        alignment: Momentum of distribution alignment; see `DistributionAlignment`. None for none.
        num_classes: Number of classes, C.
        parts: See `SemiSupervisedMethod`.

    Raises:
        InputError: If the task is a regression, or the thresholds are not for the task.
    """

    def __init__(
        self,
        *,
        thresholds: Callable[..., Thresholds],
        alignment: float | None = None,
        num_classes: int,
        **parts: Any,
    ) -> None:
        super().__init__(num_classes=num_classes, **parts)
        if not self.task.has_classes:
            raise InputError(
                "method=fixmatch is for corpora with classes, but the targets of this corpus are "
                f"{self.task.name}; choose method=mean_teacher, pi_model or temporal_ensembling."
            )
        one_class = self.task.one_class_per_clip
        self.thresholds = thresholds(num_classes=num_classes, one_class_per_clip=one_class)
        self.alignment = None
        if alignment is not None:
            self.alignment = DistributionAlignment(num_classes, alignment, one_class)

    def step(self, batch: Batch) -> Step:
        """Compare the strong view with the pseudo-labels of the weak view."""
        observed = self.task.usable(batch.mask)  # (B, C)
        unlabelled = ~observed.all(dim=1)  # not fully labelled
        compared = batch.select(unlabelled) if self.task.one_class_per_clip else batch
        views = batch.augmented(self.views.target)
        if len(compared.x):
            views = views.join(compared.augmented(self.views.student))
        logits = self.answers(self.classifier, views)
        weak, strong = logits[: len(batch.x)], logits[len(batch.x) :]
        scores = self.task.scores(weak.detach())
        present, absent = self._pseudo_labels(scores, observed, unlabelled)
        if self.task.one_class_per_clip:
            loss = pseudo_label_cross_entropy(strong, present[unlabelled])
            (everywhere,) = gathered(unlabelled)  # ranks may have more or fewer of them
            loss = loss * len(strong) * world_size() / everywhere.sum().clamp_min(1)
            loss = loss + self.thresholds.penalty(strong, present[unlabelled].sum(dim=1))
            share = present.sum() / unlabelled.sum().clamp_min(1)
            return Step(weak, loss, {"selected": share})
        targets = torch.where(observed, batch.y, (present > 0).to(batch.y))
        loss = pseudo_label_bce(strong, targets, observed + present + absent)
        hidden = (~observed).sum().clamp_min(1)
        shares = {"present": present.sum() / hidden, "absent": absent.sum() / hidden}
        return Step(weak, loss, {f"selected_{kind}": share for kind, share in shares.items()})

    def _pseudo_labels(
        self, scores: Tensor, observed: Tensor, unlabelled: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the weights of the pseudo-labels "present" and "absent", (B, C) each.

        A class that was never observed in training has none. Running statistics are updated with
        the clips of all ranks.
        """
        of_all, observed_by_all, unlabelled_of_all = gathered(scores, observed, unlabelled)
        if self.alignment is not None:
            self.alignment.update(of_all, observed_by_all)
            scores = self.alignment(scores)
            aligned = self.alignment(of_all)
            of_all = aligned.where(
                unlabelled_of_all[:, None], of_all
            )  # labelled clips: as they are
        self.thresholds.update(of_all, self.prior, unlabelled_of_all)
        cells = ~observed & ~self.prior.isnan()
        present, absent = self.thresholds.weights(scores, self.prior)
        return present * cells, absent * cells

    def on_validation_epoch_end(self) -> None:
        """Log, besides the metrics, the rate and the precision of pseudo-labels."""
        logits, targets, mask = self._student_outputs.compute()
        super().on_validation_epoch_end()
        truth, observed = targets >= 0.5, self.task.usable(mask)  # (N, C) each
        scores = self.task.scores(logits)
        if self.alignment is not None:
            scores = self.alignment(scores)
        present, absent = (
            weights * observed for weights in self.thresholds.weights(scores, self.prior)
        )
        if self.task.one_class_per_clip:
            num_clips = observed.all(dim=1).sum()
            self.log("val/selected_rate", present.sum() / num_clips, sync_dist=True)
            precision = (present * truth).sum() / present.sum()  # NaN if none is selected
            self.log("val/selected_precision", precision, sync_dist=True)
            return
        for kind, chosen, right in (("present", present, truth), ("absent", absent, ~truth)):
            rate = chosen.sum(dim=0) / observed.sum(dim=0)  # (C,)
            precision = (chosen * right).sum(dim=0) / chosen.sum(dim=0)  # NaN if none is chosen
            self._log_pseudo_labels(kind, rate=rate, precision=precision)

    def _log_pseudo_labels(self, kind: str, **values: Tensor) -> None:
        for name, value in values.items():
            self.log(f"val/{kind}_{name}", value.nanmean(), sync_dist=True)
        if kind == "present":  # most classes are absent, so their precision is almost always high
            classes = self.data.corpus.classes
            for name, value in values.items():
                by_class = {
                    f"val/present_{name}/{c}": v for c, v in zip(classes, value, strict=True)
                }
                self.log_dict(by_class, sync_dist=True)
