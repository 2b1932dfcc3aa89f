"""Parts of a network that are frozen: not trained, for good or for the first epochs."""

from collections.abc import Iterable, Sequence

from torch import nn

from musicssl.errors import InputError


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

    def keep_statistics(self, encoder: nn.Module) -> None:
        """Keep the batch norms of an encoder in evaluation for good: they are of other data."""
        self._parts += [part for part in encoder.modules() if hasattr(part, "running_mean")]

    def freeze(
        self,
        networks: Sequence[nn.Module],
        names: Iterable[str],
        parameters: Iterable[nn.Parameter],
        until: int | None,
    ) -> None:
        """Freeze parts of a classifier and of its copies.

        Args:
            networks: The classifier, then its copies.
            names: Submodules of the classifier, such as "encoder" or "pooling.attention".
            parameters: All parameters of the method.
            until: Number of epochs after which the parts are trained; None for never.

        Raises:
            InputError: If there is no such part, or nothing would be left to train.
        """
        choices = dict(networks[0].named_modules())
        trained = [p for p in parameters if p.requires_grad]
        parts = []
        for name in names:
            if not name or name not in choices:
                words = ", ".join(part for part in choices if part and part.count(".") < 2)
                raise InputError(f"finetune.frozen: there is no part {name!r}; choose {words}.")
            parts += [network.get_submodule(name).requires_grad_(False) for network in networks]
        if not any(p.requires_grad for p in trained):
            raise InputError("finetune.frozen leaves nothing to train; name fewer parts.")
        self._parts += parts
        if until is not None:
            self._held, self.unfreeze_epoch = parts, until
            self._held_parameters = {id(p): p for p in trained if not p.requires_grad}

    def check_end(self, epochs: float) -> None:
        """Refuse to freeze parts for as long as training takes, if they are to be trained.

        Args:
            epochs: Number of epochs of the run.

        Raises:
            InputError: If no epoch would be left to train them in.
        """
        if self.unfreeze_epoch is not None and self.unfreeze_epoch >= epochs:
            raise InputError(
                f"finetune.unfreeze_epoch={self.unfreeze_epoch} leaves none of {epochs:g} epochs "
                "to train the frozen parts in; lower it, or leave it out to keep them frozen."
            )

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
