"""The samples themselves, for encoders that start from sound."""

from dataclasses import dataclass

from musicssl.errors import InputError


@dataclass(frozen=True)
class Waveform:
    """Leave audio as it is, at one sample rate; the encoder computes what it wants from it.

    Attributes:
        sample_rate: At which clips are read, in Hz.

    Raises:
        InputError: If the rate is none of sound.
    """

    sample_rate: int = 16_000

    def __post_init__(self) -> None:
        if not 500 <= self.sample_rate <= 384_000:
            raise InputError(
                "features.sample_rate must be from 500 to 384000 Hz, such as 16000, got "
                f"{self.sample_rate}."
            )
