"""What methods without a network say to settings of networks."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from musicssl.errors import InputError


class WithoutNetwork:
    """A method that has no weights to start from and no parts to freeze.

    Its option of `method` has the name of its module.
    """

    def start_from(self, state: Mapping[str, Tensor], network: str = "classifier") -> None:
        """Refuse the weights of a network.

        Raises:
            InputError: Always.
        """
        raise InputError(
            f"method={self._option} has no network to start from a checkpoint; leave "
            "finetune.checkpoint out, or choose another method."
        )

    def freeze_parts(self, names: Sequence[str]) -> None:
        """Refuse to freeze parts, of which the method has none.

        Raises:
            InputError: Always.
        """
        raise InputError(f"method={self._option} has no parts; leave finetune.frozen out.")

    @property
    def _option(self) -> str:
        return type(self).__module__.rpartition(".")[2]
