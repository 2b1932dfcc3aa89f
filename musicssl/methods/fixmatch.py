"""`fixmatch`: confident predictions on a weak view are the targets of a strong view."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.evaluation.tasks import MULTI_LABEL
from musicssl.losses.masked_bce import pseudo_label_bce
from musicssl.methods.base.semi_supervised import SemiSupervisedMethod, Step
from musicssl.networks.thresholds import PriorMatchedThresholds


class FixMatch(SemiSupervisedMethod):
    """Train the network on a strong view with pseudo-labels predicted on a weak view of the clip.

    Sohn et al. 2020, https://arxiv.org/abs/2001.07685, adapted to multi-label clips: each class of
    each clip becomes a pseudo-label or not independently, by thresholds of its class; see
    `PriorMatchedThresholds`. An observed label always is the target, whatever the prediction. As in
    the paper, both views pass the student in one batch, the supervised loss uses the weak view, and
    the average of the weights is only used for evaluation. The weak view is `views.target`, the
    strong view `views.student` (`views=weak_strong`).

    Logged with each epoch: `train/selected_...`, the share of unobserved cells that became
    pseudo-labels, present and absent. Their precision can only be measured on validation clips, as
    if their labels were hidden (and without dropout, so it differs a little from training):
    `val/present_rate`, the share of cells that would become a pseudo-label "present", and
    `val/present_precision`, the share of these that are right, both averaged over classes; the same
    for `absent`; and per class `val/present_rate/CLASS` and `val/present_precision/CLASS`.

    Args:
        thresholds: Builds the thresholds from the number of classes.
        parts: See `SemiSupervisedMethod`.

    Raises:
        InputError: If the task is not multi_label, because each label has its own threshold.
    """

    def __init__(
        self, *, thresholds: Callable[..., PriorMatchedThresholds], num_classes: int, **parts: Any
    ) -> None:
        super().__init__(num_classes=num_classes, **parts)
        if self.task is not MULTI_LABEL:
            raise InputError(
                "method=fixmatch is for multi_label corpora, but the targets of this corpus are "
                f"{self.task.name}; choose method=mean_teacher, pi_model or temporal_ensembling."
            )
        self.thresholds = thresholds(num_classes=num_classes)

    def step(self, batch: Batch) -> Step:
        """Compare the strong view with the pseudo-labels of the weak view."""
        views = batch.augmented(self.views.target).join(batch.augmented(self.views.student))
        weak, strong = self.answers(self.classifier, views).chunk(2)  # (B, C) each
        probs = weak.detach().sigmoid()
        unlabelled = ~batch.mask.all(dim=1)  # not fully labelled
        if unlabelled.any():
            self.thresholds.update(probs[unlabelled], self.prior)
        self._average_thresholds()
        selected = self.thresholds.select(probs, self.prior)
        present, absent = (cells & ~batch.mask for cells in selected)
        targets = torch.where(batch.mask, batch.y, present.to(batch.y))
        hidden = (~batch.mask).sum().clamp_min(1)
        loss = pseudo_label_bce(strong, targets, batch.mask | present | absent)
        shares = {"present": present.sum() / hidden, "absent": absent.sum() / hidden}
        return Step(weak, loss, {f"selected_{kind}": share for kind, share in shares.items()})

    def _average_thresholds(self) -> None:
        """Average the thresholds over all ranks, which are updated from different clips."""
        if self.trainer.world_size > 1:
            for threshold in (self.thresholds.upper, self.thresholds.lower):
                of_all = self.all_gather(threshold)  # (ranks, C)
                assert isinstance(of_all, Tensor)
                threshold.copy_(of_all.mean(dim=0))

    def on_validation_epoch_end(self) -> None:
        """Log, besides the metrics, the rate and the precision of pseudo-labels."""
        logits, targets, mask = self._student_outputs.compute()
        super().on_validation_epoch_end()
        truth, num_observed = targets >= 0.5, mask.sum(dim=0)  # (N, C), (C,)
        selected = self.thresholds.select(logits.sigmoid(), self.prior)
        present, absent = (cells & mask for cells in selected)
        for kind, chosen, right in (("present", present, truth), ("absent", absent, ~truth)):
            rate = chosen.sum(dim=0) / num_observed  # (C,)
            precision = (chosen & right).sum(dim=0) / chosen.sum(dim=0)  # NaN if none is chosen
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
