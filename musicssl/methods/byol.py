"""`byol`: predict a moving average's projection of another crop of the clip."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from musicssl.batch import Batch
from musicssl.losses.byol import prediction_loss
from musicssl.methods.base.representation import Objective, RepresentationMethod
from musicssl.networks.teacher import Teacher


class BYOL(RepresentationMethod):
    """Predict the EMA target network's projection of another crop of the clip.

    Grill et al. 2020, https://arxiv.org/abs/2006.07733. The target network is the moving average of
    encoder and projector, updated once per optimizer step without gradients. A predictor maps the
    projections of the trained network to those of the target network, which prevents collapse
    without negatives. Labels are not used. The trained encoder is evaluated and kept, as in the
    paper.

    Differences from the paper: the decay of the average is constant after its warm-up, see
    `Teacher`, while the paper's rises from 0.996 to 1. All crops of a batch pass the network
    together, so batch norms use the statistics of all of them. The loss is half the paper's, which
    adds both orders of two crops. The optimizer is the chosen one, not LARS.

    Args:
        teacher: Builds the target network from encoder and projector.
        predictor: Builds the predictor, which maps (N, P) to (N, P).
        num_crops: Crops of each clip in a batch, V; training uses that of the data module.
        parts: See `RepresentationMethod`.
    """

    copies: ClassVar[tuple[str, ...]] = ("target.average.0",)

    def __init__(
        self,
        *,
        teacher: Callable[[nn.Module], Teacher],
        predictor: Callable[[], nn.Module],
        num_crops: int = 2,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        self.predictor = predictor()
        self.target = teacher(self._online())
        self.num_crops = num_crops

    def setup(self, stage: str) -> None:
        """Take the number of crops from the data module."""
        super().setup(stage)
        if stage == "fit":
            self.num_crops = self.data.num_crops

    def objective(self, seen: Batch, z: Tensor) -> Objective:
        """Compare predictions of each crop with targets of the other crops of its clip."""
        by_clip = (-1, self.num_crops, z.shape[1])  # (B, V, P)
        predictions = self.predictor(z).reshape(by_clip)
        return Objective(prediction_loss(predictions, self.targets(seen).reshape(by_clip)))

    @torch.no_grad()
    def targets(self, seen: Batch) -> Tensor:
        """Return the target network's projections of a batch's rows, (N, P)."""
        classifier, projector = self.target.average.children()
        targets: Tensor = projector(classifier.clip_embeddings(seen))  # type: ignore[operator]
        return targets

    def compiled_calls(self) -> list[tuple[nn.Module, str]]:
        """Return what its training step calls that can be compiled; see `Method`."""
        return [*super().compiled_calls(), (self, "predictor"), (self.target.average, "1")]

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Update the target network after each optimizer step, also with accumulated gradients."""
        super().optimizer_step(*args, **kwargs)
        self.target.update(self._online(), self.trainer.global_step + 1)

    def _online(self) -> nn.ModuleList:
        """Return the modules that the target network averages."""
        return nn.ModuleList([self.classifier, self.projector])
