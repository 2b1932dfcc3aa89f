"""Training in two phases, of which the first is pretraining."""

from collections.abc import Callable, Iterable

from torch import Tensor, nn

from musicssl.errors import InputError
from musicssl.methods.base.method import Method


class Phases:
    """The parameters of a method that are trained in the epochs of each phase.

    No epoch of the first phase is kept as the best. Parameters that a phase does not train are
    frozen: their values do not change at all, neither by weight decay nor by the moments of an
    optimizer. A method passes the loss of each step through `touch_all_parameters`, and calls
    `drop_frozen_gradients` before each optimizer step.

    Args:
        method: The method that is trained.
        pretrain_epochs: Epochs of the first phase.
        frozen: Takes whether the epoch is of the first phase, returns the parameters that are not
            trained.
        setting: Name of the setting with the number of epochs, for messages.

    Raises:
        InputError: If `pretrain_epochs` is negative.
    """

    def __init__(
        self,
        method: Method,
        pretrain_epochs: int,
        frozen: Callable[[bool], Iterable[nn.Parameter]],
        setting: str = "pretrain_epochs",
    ) -> None:
        if pretrain_epochs < 0:
            raise InputError(f"method.{setting} must be 0 or more, got {pretrain_epochs}.")
        self.pretrain_epochs = pretrain_epochs
        self._method = method
        self._frozen = frozen
        self._setting = setting

    @property
    def pretraining(self) -> bool:
        """Whether this epoch is of the first phase."""
        return self._method.trainer.current_epoch < self.pretrain_epochs

    def frozen_parameters(self) -> Iterable[nn.Parameter]:
        """Return the parameters that this epoch does not train."""
        return self._frozen(self._method.pretraining)

    def check_epochs(self) -> None:
        """Check that training does not end within the first phase.

        Raises:
            InputError: If it does.
        """
        epochs = self._method.trainer.max_epochs
        if epochs is not None and 0 <= epochs <= self.pretrain_epochs:
            raise InputError(
                f"method.{self._setting}={self.pretrain_epochs} leaves none of the "
                f"trainer.max_epochs={epochs} for the second phase; raise trainer.max_epochs, or "
                f"lower method.{self._setting}."
            )

    def touch_all_parameters(self, loss: Tensor) -> Tensor:
        """Return the loss with a gradient for every parameter, which DDP requires."""
        if self._method.trainer.world_size == 1:
            return loss
        return loss + 0 * sum(parameter.sum() for parameter in self.frozen_parameters())

    def drop_frozen_gradients(self) -> None:
        """Set zero gradients of frozen parameters to None; weight decay would still move them."""
        for parameter in self.frozen_parameters():
            parameter.grad = None
