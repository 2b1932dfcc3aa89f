"""One feature vector for each clip, and the weight of each clip in the loss of a batch."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from musicssl.batch import Batch, valid_instances
from musicssl.data.batches import BatchPlan
from musicssl.errors import InputError
from musicssl.losses.likelihoods import Likelihood

KINDS = ("mean", "mean_std", "flat")


class ClipSummary(nn.Module):
    """Compute one feature vector from the instances of a clip, and scale each feature.

    Args:
        num_features: Features of an instance, F.
        num_instances: Instances of the longest clip, T.
        kind: "mean" of the instances, (F); "mean_std", mean and standard deviation of each feature,
            (2 F), or only the mean if clips have one instance; "flat", all instances concatenated,
            (T F), for clips that all have T instances.
        standardised: Whether `fit` shifts and scales features to mean 0 and standard deviation 1
            over the training clips; otherwise they are not changed.

    Raises:
        InputError: If there is no such kind.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        num_features: int,
        num_instances: int,
        kind: str = "mean_std",
        standardised: bool = True,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise InputError(f"method.summary must be one of {', '.join(KINDS)}, got {kind}.")
        self.kind = "mean" if kind == "mean_std" and num_instances == 1 else kind
        self.num_instances = num_instances
        self.standardised = standardised
        times = {"mean": 1, "mean_std": 2, "flat": num_instances}[self.kind]
        self.dim = times * num_features
        self.register_buffer("shift", torch.zeros(self.dim))
        self.register_buffer("scale", torch.ones(self.dim))

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Summarise clips, (B, T, F) -> (B, D); `valid`, (B, T) bool, is False for padding.

        Raises:
            InputError: If the kind is "flat" and clips differ in length.
        """
        return (self._summed_up(x, valid) - self.shift) / self.scale

    def fit(self, batches: Iterable[Batch]) -> None:
        """Compute shift and scale from clips, if features are standardised.

        A feature that is the same in all clips is shifted but not scaled.

        Raises:
            InputError: See `of`.
        """
        if not self.standardised:
            return
        clips = torch.cat([self._summed_up(*_instances(batch)) for batch in batches]).double()
        spread, mean = torch.std_mean(clips, dim=0, correction=0)
        self.shift.copy_(mean)
        self.scale.copy_(spread.where(spread > 1e-6 * mean.abs().clamp_min(1e-6), 1))

    def of(self, batch: Batch) -> Tensor:
        """Summarise the clips of a batch, (B, D).

        Raises:
            InputError: If the clips are sound instead of instances.
        """
        summary: Tensor = self(*_instances(batch))
        return summary

    def unscaled(self, summaries: Tensor) -> Tensor:
        """Return summaries, (..., D), in the units of the features."""
        return summaries * self.scale + self.shift

    def _summed_up(self, x: Tensor, valid: Tensor | None) -> Tensor:
        if self.kind == "flat":
            if valid is not None or x.shape[1] != self.num_instances:
                raise InputError(
                    f"method.summary=flat needs clips of exactly {self.num_instances} instances; "
                    "choose mean or mean_std."
                )
            return x.flatten(1)
        counted = torch.ones_like(x[..., :1]) if valid is None else valid[..., None].to(x.dtype)
        size = counted.sum(dim=1)  # (B, 1)
        first = x[:, 0]  # subtracted first, so that a constant feature has a deviation of exactly 0
        from_first = (x - first[:, None]).where(counted > 0, 0)
        offset = from_first.sum(dim=1) / size
        if self.kind == "mean":
            return first + offset
        square = (from_first - offset[:, None]).square().where(counted > 0, 0).sum(dim=1) / size
        return torch.cat([first + offset, square.sqrt()], dim=1)


def learn_scale(summary: ClipSummary, likelihood: Likelihood, batches: Iterable[Batch]) -> None:
    """Fit a summary to clips, and check that the likelihood fits the features.

    Args:
        summary: The summary to fit.
        likelihood: Distribution of the features.
        batches: The clips; read twice.

    Raises:
        InputError: If the likelihood does not fit the features; see also `ClipSummary.fit`.
    """
    summary.fit(batches)
    for batch in batches:
        likelihood.check(summary.of(batch.to(summary.shift.device)))


def _instances(batch: Batch) -> tuple[Tensor, Tensor | None]:
    if batch.x.ndim == 2:
        raise InputError(
            "this method reads instances, but the data are sound; choose features=log_mel."
        )
    valid = None if batch.lengths is None else valid_instances(batch.lengths, batch.x.shape[1])
    return batch.x, valid


class ClipWeights:
    """Weights with which the sum over a batch is, in expectation, the mean over all N clips.

    The N clips are the union of the pools of the labelled and the unlabelled stream. A clip of the
    labelled pool that is drawn from the unlabelled stream, with its labels hidden, has weight 0,
    because otherwise it would count twice.

    Args:
        plan: Plan of the training batches.
        device: Device of the weights.
    """

    def __init__(self, plan: BatchPlan, device: torch.device) -> None:
        self._num_labelled = plan.num_labelled * plan.num_crops  # rows of a batch
        num_unlabelled = plan.batch_size * plan.num_crops - self._num_labelled
        labelled = plan.labelled.pool if self._num_labelled else plan.labelled.pool[:0]
        pool = plan.unlabelled.pool if num_unlabelled else plan.unlabelled.pool[:0]
        total = len(np.union1d(labelled, pool))
        self._of_labelled = len(labelled) / total / max(self._num_labelled, 1)
        self._of_others = len(pool) / total / max(num_unlabelled, 1)
        in_pool = np.zeros(int(max(labelled.max(initial=0), pool.max(initial=0))) + 1, dtype=bool)
        in_pool[labelled] = True
        self._is_labelled = torch.from_numpy(in_pool).to(device)  # of each row of the corpus

    def of(self, batch: Batch) -> Tensor:
        """Return the weights of the clips of a training batch, (B,)."""
        assert batch.rows is not None
        weights = self._of_others * ~self._is_labelled[batch.rows]
        weights[: self._num_labelled] = self._of_labelled
        return weights
