"""All but a band of frequencies taken away."""

from torch import Tensor

from musicssl.augment.butterworth import Bands, ButterworthFilter


class BandPass(ButterworthFilter):
    """Keep what lies in a random band; see `ButterworthFilter` and `Bands`.

    Args:
        min_hz: Lowest centre, in Hz.
        max_hz: Highest centre, in Hz; each octave between is as likely.
        min_width: Least width as a fraction of the centre, more than 0.
        max_width: Largest width, less than 2; each width between is as likely.
        sample_rate: In Hz.
        slope_db: How steeply it falls far from the band, in dB per octave, 6 or more.

    Raises:
        InputError: If a number lies outside of what is said here, a range is in the wrong order, or
            a centre lies above half the sample rate.
    """

    def __init__(
        self,
        min_hz: float,
        max_hz: float,
        min_width: float,
        max_width: float,
        sample_rate: int,
        slope_db: float = 48.0,
    ) -> None:
        self.bands = Bands("band_pass", min_hz, max_hz, min_width, max_width, sample_rate)
        super().__init__(
            "band_pass",
            narrowest_hz=self.bands.narrowest_hz,
            sample_rate=sample_rate,
            slope_db=slope_db,
        )

    def beyond(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw bands and return how far outside of them frequencies lie."""
        return self.bands.outside(hz, x)
