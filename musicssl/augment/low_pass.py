"""High frequencies taken away."""

from torch import Tensor

from musicssl.augment.butterworth import CutoffFilter


class LowPass(CutoffFilter):
    """Keep what lies below a random cutoff; see `CutoffFilter`."""

    name = "low_pass"

    def beyond(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw cutoffs c and return f / c."""
        return hz / self.cutoffs.draw(x)
