"""The base class of consistency methods that keep an average for each clip."""

from typing import Any

from torch import Tensor

from musicssl.augment.mixing.mixing import NoMixing
from musicssl.errors import InputError
from musicssl.methods.base.semi_supervised import SemiSupervisedMethod
from musicssl.networks.ensemble import PredictionEnsemble


class EnsemblingMethod(SemiSupervisedMethod):
    """Keep the average of the network's outputs for each clip, also in checkpoints.

    A subclass allocates `ensemble` in `setup`, when the number of clips is known.

    Args:
        momentum: Weight of earlier values in the average, in [0, 1).
        parts: See `SemiSupervisedMethod`.

    Raises:
        InputError: If `momentum` is out of range, or clips are mixed.
    """

    ensemble: PredictionEnsemble

    def __init__(self, *, momentum: float, **parts: Any) -> None:
        super().__init__(**parts)
        if not 0 <= momentum < 1:
            raise InputError(f"method.momentum must be in [0, 1), got {momentum:g}.")
        self.momentum = momentum
        if not isinstance(self.mixing, NoMixing):
            name = type(self).__module__.rpartition(".")[2]
            raise InputError(
                f"method={name} keeps an average for each clip, which a mix of two clips does not "
                "have; leave out mixing, or choose method=mean_teacher."
            )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the ensemble, for a resumed run."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["ensemble"] = self.ensemble.saved()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the ensemble of the interrupted run."""
        super().on_load_checkpoint(checkpoint)
        self.ensemble.restore(checkpoint["ensemble"])

    def update_ensemble(self, rows: Tensor, values: Tensor) -> None:
        """Update the ensemble with the values, (B, C), of all ranks, because clips change ranks."""
        if self.trainer.world_size > 1:
            rows, values = self.all_gather((rows, values))  # (ranks, B), (ranks, B, C)
            rows, values = rows.flatten(), values.flatten(0, 1)
        self.ensemble.update(rows, values)
