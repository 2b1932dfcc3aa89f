"""All but a band of frequencies taken away."""

from torch import Tensor

from musicssl.augment.butterworth import BandFilter


class BandPass(BandFilter):
    """Keep what lies in a random band; see `BandFilter`."""

    name = "band_pass"

    def beyond(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw bands and return how far outside of them frequencies lie."""
        return self.bands.outside(hz, x)
