"""`fixmatch`: confident predictions on a weak view are the labels of a strong one."""

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
    """Learn from pseudo-labels of a weak view, about a strong view of the same clip.

    Sohn et al. 2020, https://arxiv.org/abs/2001.07685, for labels of which any number may be
    present: each class of each clip is trusted or not by itself, at thresholds of its class; see
    `PriorMatchedThresholds`. Where a label was observed it is the target, whatever the network
    thinks. As in the paper, both views go through the student in one batch, labels are learnt from
    the weak one, and the average of weights is for evaluation only. The weak view is `views.target`
    and the strong one `views.student` (`views=weak_strong`).

    Logged with each epoch: the share of unobserved cells that was trusted as present and as absent,
    `train/selected_...`. Whether rightly is known on validation clips only, so they are judged as
    if their labels were hidden (without dropout, so they differ a little from what training sees):
    `val/present_rate` and `val/present_precision`, the means over classes of the share of cells
    that would be trusted as present and of how many of them are; the same for `absent`; and by
    class `val/present_rate/CLASS` and `val/present_precision/CLASS`.

    Args:
        thresholds: Builds the thresholds from the number of classes.
        parts: See `SemiSupervisedMethod`.

    Raises:
        InputError: If the corpus is of another kind than multi_label: its thresholds are those of
            labels by themselves.
    """

    def __init__(
        self, *, thresholds: Callable[..., PriorMatchedThresholds], num_classes: int, **parts: Any
    ) -> None:
        super().__init__(num_classes=num_classes, **parts)
        if self.task is not MULTI_LABEL:
            raise InputError(
                "method=fixmatch learns labels of which any number may be present, but the targets "
                f"of this corpus are {self.task.name}; choose method=mean_teacher, pi_model or "
                "temporal_ensembling."
            )
        self.thresholds = thresholds(num_classes=num_classes)

    def step(self, batch: Batch) -> Step:
        """Learn the strong view from the confident predictions on the weak one."""
        views = batch.augmented(self.views.target).join(batch.augmented(self.views.student))
        weak, strong = self.answers(self.classifier, views).chunk(2)  # (B, C) each
        probs = weak.detach().sigmoid()
        unsure = ~batch.mask.all(dim=1)
        if unsure.any():
            self.thresholds.update(probs[unsure], self.prior)
        self._agree_on_thresholds()
        trusted = self.thresholds.select(probs, self.prior)
        present, absent = (cells & ~batch.mask for cells in trusted)
        targets = torch.where(batch.mask, batch.y, present.to(batch.y))
        hidden = (~batch.mask).sum().clamp_min(1)
        loss = pseudo_label_bce(strong, targets, batch.mask | present | absent)
        shares = {"present": present.sum() / hidden, "absent": absent.sum() / hidden}
        return Step(weak, loss, {f"selected_{kind}": share for kind, share in shares.items()})

    def _agree_on_thresholds(self) -> None:
        """Give all ranks the mean of their thresholds; each has seen another part of the batch."""
        if self.trainer.world_size > 1:
            for threshold in (self.thresholds.upper, self.thresholds.lower):
                of_all = self.all_gather(threshold)  # (ranks, C)
                assert isinstance(of_all, Tensor)
                threshold.copy_(of_all.mean(dim=0))

    def on_validation_epoch_end(self) -> None:
        """Log, besides the metrics, how far pseudo-labels can be trusted."""
        logits, targets, mask = self._student_outputs.compute()
        super().on_validation_epoch_end()
        truth, seen = targets >= 0.5, mask.sum(dim=0)  # (N, C), (C,)
        selected = self.thresholds.select(logits.sigmoid(), self.prior)
        present, absent = (cells & mask for cells in selected)
        for kind, trusted, right in (("present", present, truth), ("absent", absent, ~truth)):
            rate = trusted.sum(dim=0) / seen  # (C,)
            precision = (trusted & right).sum(dim=0) / trusted.sum(dim=0)  # NaN: none trusted
            self._log_trust(kind, rate=rate, precision=precision)

    def _log_trust(self, kind: str, **values: Tensor) -> None:
        for name, value in values.items():
            self.log(f"val/{kind}_{name}", value.nanmean(), sync_dist=True)
        if kind == "present":  # absence is the rule and hardly ever doubted
            classes = self.data.corpus.classes
            for name, value in values.items():
                by_class = {
                    f"val/present_{name}/{c}": v for c, v in zip(classes, value, strict=True)
                }
                self.log_dict(by_class, sync_dist=True)
