"""The interface that training requires of every method, with or without a network."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol

from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import Needs
from musicssl.methods.base.fine_tuning import FineTuning
from musicssl.networks.transfer import Columns, Transfer

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

    def start_from(
        self,
        state: Mapping[str, Tensor],
        network: str = "classifier",
        columns: Columns | None = None,
    ) -> Transfer:
        """Load the weights of the network that another method predicts with.

        Args:
            state: The `state_dict` of the other method.
            network: Dotted name of the network in it.
            columns: For each class its column in the other network, or None where that does not
                know it; None if the classes are the same.

        Returns:
            What was taken.

        Raises:
            InputError: If the method has no network, or none that fits other classes.
            RuntimeError: If the encoders differ.
        """

    def fine_tune(self, settings: FineTuning) -> list[str]:
        """Set how the network is fine-tuned, after its initial weights were loaded.

        Returns:
            Sentences that describe it.

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
