"""Parts of a network that are frozen: not trained, for good or for the first epochs."""

from collections.abc import Iterable, Sequence

from torch import nn


class Freezing:
    """Parts without gradients that stay in evaluation mode.

    Attributes:
        unfreeze_epoch: Number of epochs after which parts are trained; None for never.
    """

    def __init__(self) -> None:
        self.unfreeze_epoch: int | None = None
        self._parts: list[nn.Module] = []
        self._held: list[nn.Module] = []  # of these, those that are trained from an epoch on
        self._held_parameters: dict[int, nn.Parameter] = {}  # by id

    def keep_in_evaluation(self, parts: Iterable[nn.Module]) -> None:
        """Keep parts in evaluation mode for good, such as batch norms of other data."""
        self._parts += parts

    def freeze(
        self, parts: Sequence[nn.Module], trained: Iterable[nn.Parameter], until: int | None
    ) -> None:
        """Add parts whose parameters have been frozen.

        Args:
            parts: The parts.
            trained: Parameters that were trained before.
            until: Number of epochs after which they are trained; None for never.
        """
        self._parts += parts
        if until is not None:
            self._held, self.unfreeze_epoch = list(parts), until
            self._held_parameters = {id(p): p for p in trained if not p.requires_grad}

    def evaluate(self) -> None:
        """Set the frozen parts to evaluation: statistics of batch norms would change otherwise."""
        for part in self._parts:
            part.eval()

    def includes(self, part: nn.Module) -> bool:
        """Return whether a part is frozen, by itself or within another one."""
        return any(part is module for frozen in self._parts for module in frozen.modules())

    def is_held(self, parameter: nn.Parameter) -> bool:
        """Return whether a parameter is trained in some epoch, although it may be frozen now."""
        return id(parameter) in self._held_parameters

    def holds_in(self, epoch: int) -> bool:
        """Return whether parts are frozen in an epoch that are trained in a later one."""
        return self.unfreeze_epoch is not None and epoch < self.unfreeze_epoch

    def end_in(self, epoch: int) -> bool:
        """Train the held parts if this epoch does; return whether it is the first to do so."""
        if not self._held or self.holds_in(epoch):
            return False
        self.require_gradients()
        self._parts = [part for part in self._parts if part not in self._held]
        self._held = []
        return True

    def require_gradients(self) -> None:
        """Let the held parameters have gradients."""
        for parameter in self._held_parameters.values():
            parameter.requires_grad_(True)

    def drop_gradients(self) -> None:
        """Remove the gradients of the held parameters, so that no optimizer moves them."""
        for parameter in self._held_parameters.values():
            parameter.grad = None
