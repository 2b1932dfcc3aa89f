"""Low-pass, high-pass, band-pass and band-stop filters with a random cutoff for each clip."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_positive, check_range
from musicssl.augment.dsp.computation import working_dtype
from musicssl.augment.dsp.spectral import DECIBELS_PER_OCTAVE, multiply_spectrum
from musicssl.errors import InputError

_SILENT = math.log(1000)  # 60 dB, in nepers
_INAUDIBLE_HZ = 20.0  # the tail of the impulse response may be cut off below this frequency


class ButterworthFilter(ABC):
    """Multiply the spectrum of each clip by the magnitude of a random Butterworth filter.

        gain = 1 / sqrt(1 + r^(2n)),    n = slope_db / 6.02

    where r is the distance of a frequency from the passband, and 1 at the cutoff (-3 dB). These are
    the magnitudes of analogue filters at the frequencies of a Fourier transform, so that they are
    not warped near half the sample rate. The phase does not change: sound is not shifted in time,
    and a transient is smeared in both directions.

    torch-audiomentations, which the published SemiSupCon uses, filters clip by clip with windowed
    sincs, which are steeper, 40 dB within a quarter octave; and it draws frequencies uniformly on
    the mel scale, while we draw them uniformly in octaves.

    Attributes:
        name: Name of the filter for the user.

    Args:
        narrowest_hz: Smallest distance of the cutoffs from 0 Hz and from each other, which
            determines the length of the impulse response.
        sample_rate: Sample rate, in Hz.
        slope_db: Slope beyond a cutoff, in dB per octave, 6 or more.

    Raises:
        InputError: If the sample rate is not positive or the slope is less than 6.
    """

    of_sound = True
    name: ClassVar[str]

    def __init__(self, *, narrowest_hz: float, sample_rate: int, slope_db: float) -> None:
        self.sample_rate = check_positive(f"{self.name}.sample_rate", sample_rate)
        if not 6 <= slope_db < math.inf:
            raise InputError(
                f"{self.name}.slope_db must be 6 dB per octave or more, got {slope_db:g}."
            )
        self.order = slope_db / DECIBELS_PER_OCTAVE
        lowest_hz = max(narrowest_hz, _INAUDIBLE_HZ)
        decay = 2 * math.pi * lowest_hz * math.sin(math.pi / (2 * self.order))  # nepers/s
        self.tail = math.ceil(_SILENT / decay * sample_rate)

    @abstractmethod
    def beyond(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw a filter for each clip and return r at some frequencies.

        Args:
            hz: Frequencies, (F,).
            x: Clips, (B, S).

        Returns:
            r for each clip and frequency, (B, F), positive or negative.
        """

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S), of which the first `lengths`, (B,), are valid."""

        def response(size: int) -> Tensor:
            hz = torch.fft.rfftfreq(size, 1 / self.sample_rate, device=x.device)
            return (1 + self.beyond(hz.to(working_dtype(x)), x).square() ** self.order).rsqrt()

        return multiply_spectrum(x, lengths, response, self.tail)


class Frequencies:
    """A random frequency, drawn uniformly in octaves from a range.

    Args:
        name: Name of the filter for the user.
        sample_rate: Sample rate, in Hz.
        ends: Lowest and highest frequency in Hz, by the names of their parameters.

    Raises:
        InputError: If the ends are not positive, in the wrong order, or above half the sample rate.
    """

    def __init__(self, name: str, sample_rate: int, **ends: float) -> None:
        check_range(name, **ends)
        for parameter, hz in ends.items():
            check_positive(f"{name}.{parameter}", hz)
            if hz > sample_rate / 2:
                raise InputError(
                    f"{name}.{parameter}={hz:g} lies above half the sample rate, "
                    f"{sample_rate / 2:g} Hz; lower it."
                )
        self.min_hz, self.max_hz = ends.values()

    def draw(self, x: Tensor) -> Tensor:
        """Draw a frequency in Hz for each clip, (B, S) -> (B, 1)."""
        logarithms = torch.empty_like(x[:, :1], dtype=working_dtype(x))
        return logarithms.uniform_(math.log(self.min_hz), math.log(self.max_hz)).exp()


class Bands:
    """A random band, with its centre and its relative width drawn from ranges.

    As in torch-audiomentations, a band of centre c and relative width w goes from c (1 - w / 2) to
    c (1 + w / 2). The part above half the sample rate has no effect.

    Args:
        name: Name of the filter for the user.
        min_hz: Lowest centre, in Hz.
        max_hz: Highest centre, in Hz; drawn uniformly in octaves.
        min_width: Smallest width as a fraction of the centre, more than 0.
        max_width: Largest width, less than 2; drawn uniformly.
        sample_rate: Sample rate, in Hz.

    Raises:
        InputError: If a setting is invalid.
    """

    def __init__(
        self,
        name: str,
        min_hz: float,
        max_hz: float,
        min_width: float,
        max_width: float,
        sample_rate: int,
    ) -> None:
        self.centres = Frequencies(name, sample_rate, min_hz=min_hz, max_hz=max_hz)
        check_range(name, min_width=min_width, max_width=max_width)
        self.min_width = check_positive(f"{name}.min_width", min_width)
        self.max_width = max_width
        if max_width >= 2:
            raise InputError(
                f"{name}.max_width must be less than 2, where a band begins at 0 Hz, "
                f"got {max_width:g}."
            )

    @property
    def narrowest_hz(self) -> float:
        """Smallest distance of the edges of a band from 0 Hz and from its centre, in Hz."""
        return self.centres.min_hz * min(1 - self.max_width / 2, self.min_width / 2)

    def outside(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw a band for each clip and return the distance of frequencies from its centre.

        Args:
            hz: Frequencies, (F,).
            x: Clips, (B, S).

        Returns:
            (f^2 - ab) / ((b - a) f) for a band from a to b, (B, F): 0 at its geometric mean, -1 and
            1 at its edges.
        """
        centres = self.centres.draw(x)
        widths = torch.empty_like(centres).uniform_(self.min_width, self.max_width)
        squared_mean = centres.square() * (1 - widths.square() / 4)  # ab
        return (hz.square() - squared_mean) / (widths * centres * hz)  # (B, F)


class CutoffFilter(ButterworthFilter):
    """A filter with a random cutoff for each clip.

    Args:
        min_hz: Lowest cutoff, in Hz.
        max_hz: Highest cutoff, in Hz; drawn uniformly in octaves.
        sample_rate: Sample rate, in Hz.
        slope_db: Slope beyond the cutoff, in dB per octave, 6 or more.

    Raises:
        InputError: If a number is not positive, the cutoffs are in the wrong order, or one lies
            above half the sample rate.
    """

    def __init__(
        self, min_hz: float, max_hz: float, sample_rate: int, slope_db: float = 48.0
    ) -> None:
        self.cutoffs = Frequencies(self.name, sample_rate, min_hz=min_hz, max_hz=max_hz)
        super().__init__(narrowest_hz=min_hz, sample_rate=sample_rate, slope_db=slope_db)


class BandFilter(ButterworthFilter):
    """A filter with a random band for each clip; see `Bands`.

    Args:
        min_hz: Lowest centre, in Hz.
        max_hz: Highest centre, in Hz; drawn uniformly in octaves.
        min_width: Smallest width as a fraction of the centre, more than 0.
        max_width: Largest width, less than 2; drawn uniformly.
        sample_rate: Sample rate, in Hz.
        slope_db: Slope far from an edge, in dB per octave, 6 or more; for a band-stop filter, the
            slope into a very wide band.

    Raises:
        InputError: If a setting is invalid, a range is in the wrong order, or a centre lies above
            half the sample rate.
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
        self.bands = Bands(self.name, min_hz, max_hz, min_width, max_width, sample_rate)
        narrowest_hz = self.bands.narrowest_hz
        super().__init__(narrowest_hz=narrowest_hz, sample_rate=sample_rate, slope_db=slope_db)


class LowPass(CutoffFilter):
    """Keep the frequencies below a random cutoff; see `CutoffFilter`."""

    name = "low_pass"

    def beyond(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw cutoffs c and return f / c."""
        return hz / self.cutoffs.draw(x)


class HighPass(CutoffFilter):
    """Keep the frequencies above a random cutoff; see `CutoffFilter`."""

    name = "high_pass"

    def beyond(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw cutoffs c and return c / f."""
        return self.cutoffs.draw(x) / hz


class BandPass(BandFilter):
    """Keep the frequencies inside a random band; see `BandFilter`."""

    name = "band_pass"

    def beyond(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw bands and return the distances from their centres, 1 at the edges."""
        return self.bands.outside(hz, x)


class BandStop(BandFilter):
    """Keep the frequencies outside a random band; see `BandFilter`."""

    name = "band_stop"

    def beyond(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw bands and return the inverse distances from their centres, 1 at the edges."""
        return self.bands.outside(hz, x).reciprocal()
