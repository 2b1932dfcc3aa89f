"""The base class of methods whose loss is a function of the batch and a number."""

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from musicssl.batch import Batch
from musicssl.methods.base.method import Method


class StackableMethod(Method):
    """A method with one loss of a batch, which the trainer or a stack of runs can step on.

    Class attributes:
        stacks: Whether several runs can be trained side by side, see `musicssl.runs.stacked`: a
            step needs nothing but the network, the batch, the weight and random numbers.
    """

    stacks: ClassVar[bool] = False

    @abstractmethod
    def terms(self, batch: Batch, weight: float | Tensor) -> dict[str, Tensor]:
        """Return the loss of a batch, as `loss`, and further scalars to log.

        Args:
            batch: A batch on the device of the method.
            weight: See `weight_at`; a scalar tensor in a stack of runs.
        """

    def weight_at(self, epoch: float) -> float:
        """Return the weight of a part of the loss that changes while training.

        Args:
            epoch: Epochs trained so far, a fraction included.
        """
        return 1.0

    def stepped(self, steps: int) -> None:
        """React to a step of the optimizer; `steps` counts the steps so far."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        epoch = self.trainer.current_epoch + batch_idx / self.trainer.num_training_batches
        terms = self.terms(batch, self.weight_at(epoch))
        self.record(**terms)
        return terms["loss"]
