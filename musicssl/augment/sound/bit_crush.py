"""Quantisation to few bits."""

from torch import Tensor

from musicssl.augment.dsp.check import check_positive
from musicssl.augment.dsp.computation import working_dtype


class BitCrush:
    """Round samples to a number of bits, without dither: steps of 2^(1 - bits) in [-1, 1].

    The noise has -6.02 bits - 4.77 dB of full scale, 6 dB more for each bit less, and sound softer
    than half a step becomes silence. The transform is not random and passes no gradient.

    Args:
        bits: Number of bits of a sample, including the sign, more than 0; it may be a fraction,
            such as 4.5. Recordings usually have 16.

    Raises:
        InputError: If `bits` is not positive.
    """

    of_sound = True

    def __init__(self, bits: float) -> None:
        self.steps = 2 ** (check_positive("bit_crush.bits", bits) - 1)  # from 0 to full scale

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S)."""
        return ((x.to(working_dtype(x)) * self.steps).round() / self.steps).to(x.dtype)
