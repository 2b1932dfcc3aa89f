"""The network of fine-tuning: a trained encoder and a linear head."""

from collections.abc import Callable, Iterable

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from musicssl.batch import Batch
from musicssl.evaluation.epoch_outputs import EpochOutputs
from musicssl.evaluation.tasks import Task
from musicssl.networks.classifier import Classifier
from musicssl.networks.pooling import MeanPooling
from musicssl.probing.linear import LinearProbe


class FineTunedNetwork(pl.LightningModule):
    """Train on labelled clips with the natural loss of the task; log `val/loss` of whole epochs.

    Args:
        classifier: Encoder and head; all parameters are trained.
        task: The task of the targets.
        optimizer: Builds the optimizer from parameters.
        as_evaluated: Whether the encoder is in evaluation mode all the time: batch norms keep
            their learnt mean and variance, and dropout is off.
    """

    def __init__(
        self,
        classifier: Classifier,
        task: Task,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        as_evaluated: bool,
    ) -> None:
        super().__init__()
        self.classifier = classifier.requires_grad_(True)  # a teacher's average is frozen
        self.task = task
        self.optimizer = optimizer
        self.as_evaluated = as_evaluated
        self._loss = task.loss(None)
        self._val_outputs = EpochOutputs()

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits of the clips, (B, C)."""
        logits: Tensor = self.classifier(batch)
        return logits

    def scores(self, batch: Batch) -> Tensor:
        """Return the scores of the task, (B, C), for a batch on any device."""
        logits: Tensor = self(batch.to(self.device))
        return self.task.scores(logits)

    def train(self, mode: bool = True) -> "FineTunedNetwork":
        """Switch between training and evaluation; see `as_evaluated`."""
        super().train(mode)
        if self.as_evaluated:
            for module in self.classifier.encoder.modules():
                if isinstance(module, _BatchNorm | nn.Dropout):
                    module.eval()  # a norm's scale and shift are trained nevertheless
                elif isinstance(module, nn.RNNBase):
                    module.dropout = 0.0  # cuDNN cannot train a layer in evaluation mode
        return self

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss on the observed labels of a batch."""
        return self._natural_loss(self(batch), batch.y, batch.mask)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the outputs of a batch until the epoch ends."""
        self._val_outputs.update(self(batch), batch.y, batch.mask)

    def on_validation_epoch_end(self) -> None:
        """Log the loss of the validation set."""
        self.log("val/loss", self._natural_loss(*self._val_outputs.compute()))
        self._val_outputs.reset()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Optimize everything at one learning rate."""
        return self.optimizer(self.parameters())

    def _natural_loss(self, logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return self._loss(logits, targets, mask)


def with_linear_head(encoder: nn.Module, probe: LinearProbe | None, num_classes: int) -> Classifier:
    """Put a linear head, initialised by a probe or by 0, on an encoder's mean embeddings."""
    classifier = Classifier(
        lambda **_: encoder,
        MeanPooling,
        num_features=0,  # the encoder is built already
        num_instances=0,
        num_classes=num_classes,
    )
    head = classifier.pooling.classifier
    with torch.no_grad():
        head.weight.copy_(torch.zeros(()) if probe is None else probe.weight)
        head.bias.copy_(torch.zeros(()) if probe is None else probe.bias)
    return classifier
