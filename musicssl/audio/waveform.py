"""Samples of sound as the features, for encoders of sound."""

from dataclasses import dataclass

from musicssl.errors import InputError


@dataclass(frozen=True)
class Waveform:
    """Use the samples themselves, at one sample rate; the encoder computes its own features.

    Attributes:
        sample_rate: Sample rate at which clips are read, in Hz.

    Raises:
        InputError: If the sample rate is not between 500 and 384,000 Hz.
    """

    sample_rate: int = 16_000

    def __post_init__(self) -> None:
        if not 500 <= self.sample_rate <= 384_000:
            raise InputError(
                "features.sample_rate must be from 500 to 384000 Hz, such as 16000, got "
                f"{self.sample_rate}."
            )
