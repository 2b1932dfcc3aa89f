"""A band of frequencies taken away."""

from torch import Tensor

from musicssl.augment.butterworth import BandFilter


class BandStop(BandFilter):
    """Keep what lies outside a random band; see `BandFilter`."""

    name = "band_stop"

    def beyond(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw bands and return how far inside of them frequencies lie, from their edges at 1."""
        return self.bands.outside(hz, x).reciprocal()
