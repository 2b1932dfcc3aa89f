"""How methods without a network refuse settings of networks."""

from collections.abc import Mapping

from torch import Tensor

from musicssl.errors import InputError
from musicssl.methods.base.fine_tuning import FineTuning
from musicssl.networks.transfer import Columns, Transfer


class WithoutNetwork:
    """A method that has no weights to start from and no parts to freeze.

    Its option of `method` has the name of its module.
    """

    def start_from(
        self,
        state: Mapping[str, Tensor],
        network: str = "classifier",
        columns: Columns | None = None,
    ) -> Transfer:
        """Refuse the weights of a network.

        Raises:
            InputError: Always.
        """
        raise InputError(
            f"method={self._option} has no network to start from a checkpoint; leave "
            "finetune.checkpoint out, or choose another method."
        )

    def fine_tune(self, settings: FineTuning) -> list[str]:
        """Refuse to freeze or adapt parts, of which the method has none.

        Raises:
            InputError: If that is asked for.
        """
        if settings.given:
            raise InputError(
                f"method={self._option} has no parts; leave {', '.join(settings.given)} out."
            )
        return []

    @property
    def _option(self) -> str:
        return type(self).__module__.rpartition(".")[2]
