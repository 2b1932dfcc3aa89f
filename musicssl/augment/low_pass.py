"""High frequencies taken away."""

from torch import Tensor

from musicssl.augment.butterworth import ButterworthFilter, Frequencies


class LowPass(ButterworthFilter):
    """Keep what lies below a random cutoff; see `ButterworthFilter`.

    Args:
        min_hz: Lowest cutoff, in Hz.
        max_hz: Highest cutoff, in Hz; each octave between is as likely.
        sample_rate: In Hz.
        slope_db: How steeply it falls above the cutoff, in dB per octave, 6 or more.

    Raises:
        InputError: If a number is not positive, the cutoffs are in the wrong order, or one lies
            above half the sample rate.
    """

    def __init__(
        self, min_hz: float, max_hz: float, sample_rate: int, slope_db: float = 48.0
    ) -> None:
        self.cutoffs = Frequencies("low_pass", sample_rate, min_hz=min_hz, max_hz=max_hz)
        super().__init__(
            "low_pass", narrowest_hz=min_hz, sample_rate=sample_rate, slope_db=slope_db
        )

    def beyond(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw cutoffs c and return f / c."""
        return hz / self.cutoffs.draw(x)
