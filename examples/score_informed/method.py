"""Regression of ratings from random chunks, and the follow-up with a contrastive first phase."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.evaluation.metrics import METRICS, MetricInfo
from musicssl.methods.base.method import Method
from musicssl.methods.base.phases import Phases


def mean_absolute_error(values: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute error of each target, (C,), from (N, C) each; NaN without any."""
    return (values - targets).abs().where(mask, torch.nan).nanmean(dim=0)


METRICS["mae"] = MetricInfo(
    "mae",
    "mean absolute error",
    "MAE",
    ("regression",),
    smaller_is_better=True,
    measure=mean_absolute_error,
)


class Assessment(Method):
    """Predict a rating of a performance by its squared error on random chunks.

    Huang, Hung, Pati, Gururani and Lerch 2020, ISMIR. Tests use whole pieces.

    Args:
        chunk_frames: Length of a chunk; None for whole pieces, as DistMatNet reads them.
        chunks: Number of chunks of each piece in a batch.
        parts: See `Method`.
    """

    needs: ClassVar[Needs] = Needs(only_labelled=True)

    def __init__(self, *, chunk_frames: int | None, chunks: int = 2, **parts: Any) -> None:
        super().__init__(**parts)
        if chunk_frames is not None and not 81 <= chunk_frames <= parts["num_instances"]:
            raise InputError(
                f"method.chunk_frames must be from 81 to the {parts['num_instances']} frames of a "
                f"piece, got {chunk_frames}."
            )
        self.chunk_frames, self.chunks = chunk_frames, chunks

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        loss = self.regression(self.chunked(batch))
        self.record(loss=loss)
        return loss

    def regression(self, batch: Batch) -> Tensor:
        """Return the squared error."""
        return self.loss(self.classifier(batch), batch.y, batch.mask)

    def chunked(self, batch: Batch) -> Batch:
        """Cut random chunks out of each piece."""
        if self.chunk_frames is None:
            return batch
        batch = batch.select(torch.arange(len(batch.x)).repeat_interleave(self.chunks))
        size, device = self.chunk_frames, batch.x.device
        starts = torch.randint(batch.x.shape[1] - size + 1, (len(batch.x), 1), device=device)
        frames = starts + torch.arange(size, device=device)
        return batch._replace(x=batch.x[torch.arange(len(batch.x))[:, None], frames])


class ContrastiveAssessment(Assessment):
    """Let embeddings be as far apart as ratings are, then predict ratings from them.

    Seshadri and Lerch 2021, https://arxiv.org/abs/2108.01711. In the second phase the encoder is
    frozen.

    Args:
        pretrain_epochs: Epochs of the first phase.
        margin: m of the loss.
        parts: See `Assessment`.
    """

    def __init__(self, *, pretrain_epochs: int, margin: float, **parts: Any) -> None:
        super().__init__(**parts)
        self.margin = margin
        self.phases = Phases(self, pretrain_epochs, self._untrained)

    def _untrained(self, pretraining: bool) -> Any:
        part = self.classifier.pooling if pretraining else self.classifier.encoder
        return part.parameters()

    @property
    def pretraining(self) -> bool:
        """Whether this epoch is of the first phase."""
        return self.phases.pretraining

    def setup(self, stage: str) -> None:
        """Check that an epoch is left for the second phase."""
        if stage == "fit":
            self.phases.check_epochs()
        super().setup(stage)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of the phase."""
        batch = self.chunked(batch)
        if self.pretraining:
            loss = rating_contrast(self.classifier.clip_embeddings(batch), batch.y, self.margin)
            self.record(loss=loss, contrastive_loss=loss)
        else:
            loss = self.regression(batch)
            self.record(loss=loss)
        return self.phases.touch_all_parameters(loss)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Drop the gradients of parameters that this phase does not train."""
        super().on_before_optimizer_step(optimizer)
        self.phases.drop_frozen_gradients()


def rating_contrast(h: Tensor, ratings: Tensor, margin: float) -> Tensor:
    """Average over all pairs d^2 / 2 within a bin, else max(0, m |b1 - b2| - d)^2 / 2.

    Args:
        h: Embeddings, (B, D), whose distances are d.
        ratings: From 0 to 1, (B, 1), in five bins.
        margin: m, the distance of embeddings of neighbouring bins.
    """
    bins = (5 * ratings[:, 0]).floor().clamp(0, 4)
    first, second = torch.triu_indices(len(h), len(h), 1, device=h.device)
    apart = (bins[first] - bins[second]).abs()
    d = (h[first] - h[second]).square().sum(dim=1).clamp_min(1e-12).sqrt()
    losses = d.where(apart == 0, (margin * apart - d).clamp_min(0)).square() / 2
    return losses.mean()
