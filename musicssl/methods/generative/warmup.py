"""When the regulariser of latent variables starts."""

from dataclasses import dataclass

from musicssl.errors import InputError
from musicssl.schedules import exponential_rampup

_UNITS = ("epochs", "steps")


@dataclass(frozen=True)
class Warmup:
    """Epochs without a regulariser, and a ramp of its weight or its capacity.

    The dMelodies benchmark (Pati, Gururani and Lerch 2020, https://arxiv.org/abs/2007.15067) gives
    10 epochs and 100,000 "iterations". Its code counts epochs from 0 and starts after epoch 10, so
    that 11 are without a regulariser, and its iterations are training steps: 54 epochs of its 1,852
    steps. The unit matters with any other number of melodies or size of a batch: with a tenth of
    the melodies, 100,000 steps are 540 epochs, more than a run has. So the default is 54 epochs.

    Attributes:
        epochs: Epochs at the start of training without a regulariser.
        ramp: Length of the ramp after them, in `unit`; 0 for none.
        unit: "epochs" or "steps".

    Raises:
        InputError: If a length is negative, or there is no such unit.
    """

    epochs: float = 11.0
    ramp: float = 54.0
    unit: str = "epochs"

    def __post_init__(self) -> None:
        if self.unit not in _UNITS:
            raise InputError(f"method.warmup.unit must be {' or '.join(_UNITS)}, got {self.unit}.")
        for name, length in (("epochs", self.epochs), ("ramp", self.ramp)):
            if not length >= 0:
                raise InputError(f"method.warmup.{name} must be 0 or more, got {length:g}.")

    def is_over(self, epoch: float) -> bool:
        """Whether there is a regulariser, after so many epochs, a fraction included."""
        return epoch >= self.epochs

    def value(self, epoch: float, steps_per_epoch: float, top: float) -> float:
        """Return the weight or capacity, which rises to `top`; see `exponential_rampup`.

        Args:
            epoch: Epochs trained so far, a fraction included.
            steps_per_epoch: Steps of an epoch.
            top: Value at the end of the ramp.
        """
        length = self.ramp / steps_per_epoch if self.unit == "steps" else self.ramp
        return exponential_rampup(epoch - self.epochs, top, length) if self.is_over(epoch) else 0.0
