"""The samples themselves, for encoders that start from sound."""

from dataclasses import dataclass

from musicssl.errors import InputError


@dataclass(frozen=True)
class Waveform:
    """Leave audio as it is, at one sample rate; the encoder computes what it wants from it.

    Attributes:
        sample_rate: At which clips are read, in Hz.

    Raises:
        InputError: If the rate is not positive.
    """

    sample_rate: int = 16_000

    def __post_init__(self) -> None:
        if self.sample_rate < 1:
            raise InputError(f"features.sample_rate must be positive, got {self.sample_rate} Hz.")
