"""What training asks of a method, whether it trains a network or not."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import Needs

if TYPE_CHECKING:
    from musicssl.methods.base.method import Method


class Learner(Protocol):
    """A method that can be selected for training.

    Attributes:
        needs: What it needs of the batches that it is trained on.
        artifacts: Dotted names of the classes that write what it leaves besides scores; see
            `musicssl.runs.artifacts.artifact`.
    """

    needs: ClassVar[Needs]
    artifacts: ClassVar[tuple[str, ...]]

    def scores(self, batch: Batch) -> Tensor:
        """Return probabilities of classes, or the values of a regression, (B, C)."""

    def start_from(self, state: Mapping[str, Tensor], network: str = "classifier") -> None:
        """Start with the weights of the network that another method predicts with.

        Args:
            state: The `state_dict` of that method.
            network: Dotted name of the network in it.

        Raises:
            InputError: If the method has no network.
            RuntimeError: If the networks differ.
        """

    def freeze_parts(self, names: Sequence[str]) -> None:
        """Keep the weights of parts of the network.

        Args:
            names: Such as "encoder" or "pooling.attention".

        Raises:
            InputError: If there is no such part, or nothing would be left to train.
        """

    def learn(
        self, datamodule: SemiSupervisedDataModule, train_network: "Callable[[Method], None]"
    ) -> None:
        """Learn the training clips.

        Args:
            datamodule: Of the training clips.
            train_network: Trains a method by gradient descent.

        Raises:
            InputError: If the method cannot learn such clips.
        """
