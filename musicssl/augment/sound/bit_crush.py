"""Sound with few bits."""

from torch import Tensor

from musicssl.augment.dsp.check import check_positive
from musicssl.augment.dsp.precision import working_dtype


class BitCrush:
    """Round samples to so many bits, without dither: steps of 2^(1 - bits) in [-1, 1].

    A bit less is noise that is 6 dB louder, -6.02 bits - 4.77 dB of full scale, and sound softer
    than half a step becomes silence. Nothing is drawn, and no gradient passes.

    Args:
        bits: Of a sample, the sign among them, more than 0; a fraction is one: 4.5 bits lie
            between 4 and 5. 16 are what a recording has.

    Raises:
        InputError: If `bits` is not positive.
    """

    of_sound = True

    def __init__(self, bits: float) -> None:
        self.steps = 2 ** (check_positive("bit_crush.bits", bits) - 1)  # from 0 to full scale

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S)."""
        return ((x.to(working_dtype(x)) * self.steps).round() / self.steps).to(x.dtype)
