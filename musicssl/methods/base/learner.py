"""The interface that training requires of every method, with or without a network."""

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
        needs: Requirements of its training batches.
        artifacts: Dotted names of the classes that write its artifacts, such as figures; see
            `musicssl.runs.artifacts.artifact`.
    """

    needs: ClassVar[Needs]
    artifacts: ClassVar[tuple[str, ...]]

    def scores(self, batch: Batch) -> Tensor:
        """Return probabilities of classes, or the values of a regression, (B, C)."""

    def start_from(self, state: Mapping[str, Tensor], network: str = "classifier") -> None:
        """Load the weights of the network that another method predicts with.

        Args:
            state: The `state_dict` of the other method.
            network: Dotted name of the network in it.

        Raises:
            InputError: If the method has no network.
            RuntimeError: If the networks differ.
        """

    def freeze_parts(self, names: Sequence[str]) -> None:
        """Exclude parts of the network from training.

        Args:
            names: Names of the parts, such as "encoder" or "pooling.attention".

        Raises:
            InputError: If there is no such part, or nothing would be left to train.
        """

    def learn(
        self, datamodule: SemiSupervisedDataModule, train_network: "Callable[[Method], None]"
    ) -> None:
        """Train the method.

        Args:
            datamodule: Data module with the training clips.
            train_network: Trains a method by gradient descent.

        Raises:
            InputError: If the method cannot learn from these clips.
        """
