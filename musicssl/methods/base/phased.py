"""What the methods share that prepare for some epochs before they train what decides."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from musicssl.errors import InputError
from musicssl.methods.base.method import ClassificationMethod


class PhasedMethod(ClassificationMethod):
    """Train in two phases, of which the first only prepares: none of its epochs is the best.

    What a phase does not train rests and stays as it is to the bit. It has no gradient, so that
    neither the decay of weights nor an optimizer's moments move it. A method says what rests in
    `resting`, and passes the loss of each step through `reaching_all`.

    Args:
        pretrain_epochs: Epochs of the first phase.
        parts: See `ClassificationMethod`.

    Raises:
        InputError: If there cannot be so many epochs.
    """

    pretrain_setting = "pretrain_epochs"  # what the number of epochs is called in `method`

    def __init__(self, *, pretrain_epochs: int, **parts: Any) -> None:
        if pretrain_epochs < 0:
            raise InputError(
                f"method.{self.pretrain_setting} must be 0 or more, got {pretrain_epochs}."
            )
        super().__init__(**parts)
        self.pretrain_epochs = pretrain_epochs

    @property
    def pretraining(self) -> bool:
        """Whether this epoch is of the first phase."""
        return self.trainer.current_epoch < self.pretrain_epochs

    @abstractmethod
    def resting(self) -> Iterable[nn.Parameter]:
        """Return the parameters that this epoch does not train."""

    def setup(self, stage: str) -> None:
        """Check that there are epochs for the second phase.

        Raises:
            InputError: If there are none.
        """
        epochs = self.trainer.max_epochs
        if stage == "fit" and epochs is not None and 0 <= epochs <= self.pretrain_epochs:
            raise InputError(
                f"method.{self.pretrain_setting}={self.pretrain_epochs} leaves none of the "
                f"trainer.max_epochs={epochs} for what comes after; raise trainer.max_epochs, or "
                f"lower method.{self.pretrain_setting}."
            )
        super().setup(stage)

    def reaching_all(self, loss: Tensor) -> Tensor:
        """Return a loss of which all parameters have a gradient, as several devices demand."""
        if self.trainer.world_size == 1:
            return loss
        return loss + 0 * sum(parameter.sum() for parameter in self.resting())

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Take gradients of 0 from what rests: its weights would decay all the same."""
        for parameter in self.resting():
            parameter.grad = None
