"""Low frequencies taken away."""

from torch import Tensor

from musicssl.augment.butterworth import CutoffFilter


class HighPass(CutoffFilter):
    """Keep what lies above a random cutoff; see `CutoffFilter`."""

    name = "high_pass"

    def beyond(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw cutoffs c and return c / f."""
        return self.cutoffs.draw(x) / hz
