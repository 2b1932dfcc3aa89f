"""Low-pass, high-pass, band-pass and band-stop filters with a random cutoff for each clip."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_positive, check_range
from musicssl.augment.dsp.precision import working_dtype
from musicssl.augment.dsp.spectral import DECIBELS_PER_OCTAVE, multiply_spectrum
from musicssl.errors import InputError

_SILENT = math.log(1000)  # 60 dB, in nepers
_INAUDIBLE_HZ = 20.0  # ringing below need not die away


class ButterworthFilter(ABC):
    """Multiply the spectrum of each clip by the magnitude of a Butterworth filter of its own.

        gain = 1 / sqrt(1 + r^(2n)),    n = slope_db / 6.02

    where r says how far beyond the cutoff a frequency lies: 1 at the cutoff, where 3 dB are lost.
    These are the magnitudes of analogue filters, read at the frequencies of a Fourier transform, so
    that they are not warped near half the sample rate. The phase stays as it is: what a clip
    contains does not move in time, and a transient is blurred to both sides.

    torch-audiomentations, as the published SemiSupCon uses it, filters by windowed sincs, clip by
    clip, that fall off faster, by 40 dB within a quarter octave; and it draws frequencies evenly on
    the mel scale, where we draw them evenly in octaves.

    Attributes:
        name: What the user calls the filter.

    Args:
        narrowest_hz: Least distance of its cutoffs from 0 Hz and from each other, which decides how
            long it rings.
        sample_rate: In Hz.
        slope_db: How steeply it falls beyond a cutoff, in dB per octave, 6 or more.

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
        """Draw a filter for each of the clips `x`, (B, S), and say what r is at frequencies.

        Args:
            hz: Frequencies, (F,).
            x: The clips.

        Returns:
            r of each clip and frequency, (B, F), of any sign.
        """

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S), of which the first `lengths`, (B,), are valid."""

        def response(size: int) -> Tensor:
            hz = torch.fft.rfftfreq(size, 1 / self.sample_rate, device=x.device)
            return (1 + self.beyond(hz.to(working_dtype(x)), x).square() ** self.order).rsqrt()

        return multiply_spectrum(x, lengths, response, self.tail)


class Frequencies:
    """A range of frequencies, each octave of it as likely.

    Args:
        name: What the user calls the filter.
        sample_rate: In Hz.
        ends: Lowest and highest frequency in Hz, by the names of their parameters.

    Raises:
        InputError: If they are not positive, in the wrong order, or above half the sample rate.
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
    """A range of bands, by their centres and relative widths.

    As in torch-audiomentations, a band of centre c and relative width w goes from c (1 - w / 2) to
    c (1 + w / 2). What of it lies above half the sample rate is without effect.

    Args:
        name: What the user calls the filter.
        min_hz: Lowest centre, in Hz.
        max_hz: Highest centre, in Hz; each octave is as likely.
        min_width: Least width as a fraction of the centre, more than 0.
        max_width: Largest width, less than 2; each width between is as likely.
        sample_rate: In Hz.

    Raises:
        InputError: If a number lies outside of what is said here.
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
        """Least distance of the edges of a band from 0 Hz and from its centre, in Hz."""
        return self.centres.min_hz * min(1 - self.max_width / 2, self.min_width / 2)

    def outside(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw a band for each clip, and say how far outside of it frequencies lie.

        Args:
            hz: Frequencies, (F,).
            x: Clips, (B, S).

        Returns:
            (f^2 - ab) / ((b - a) f) for a band from a to b, (B, F): 0 at its geometric mean, 1 and
            -1 at its edges.
        """
        centres = self.centres.draw(x)
        widths = torch.empty_like(centres).uniform_(self.min_width, self.max_width)
        squared_mean = centres.square() * (1 - widths.square() / 4)  # ab
        return (hz.square() - squared_mean) / (widths * centres * hz)  # (B, F)


class CutoffFilter(ButterworthFilter):
    """A filter that has a random cutoff for each clip.

    Args:
        min_hz: Lowest cutoff, in Hz.
        max_hz: Highest cutoff, in Hz; each octave between is as likely.
        sample_rate: In Hz.
        slope_db: How steeply it falls beyond the cutoff, in dB per octave, 6 or more.

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
    """A filter that has a random band for each clip; see `Bands`.

    Args:
        min_hz: Lowest centre, in Hz.
        max_hz: Highest centre, in Hz; each octave between is as likely.
        min_width: Least width as a fraction of the centre, more than 0.
        max_width: Largest width, less than 2; each width between is as likely.
        sample_rate: In Hz.
        slope_db: How steeply it falls far from an edge, in dB per octave, 6 or more; into a band
            that is stopped, how steeply it would fall if that had no end.

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
        self.bands = Bands(self.name, min_hz, max_hz, min_width, max_width, sample_rate)
        narrowest_hz = self.bands.narrowest_hz
        super().__init__(narrowest_hz=narrowest_hz, sample_rate=sample_rate, slope_db=slope_db)


class LowPass(CutoffFilter):
    """Keep what lies below a random cutoff; see `CutoffFilter`."""

    name = "low_pass"

    def beyond(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw cutoffs c and return f / c."""
        return hz / self.cutoffs.draw(x)


class HighPass(CutoffFilter):
    """Keep what lies above a random cutoff; see `CutoffFilter`."""

    name = "high_pass"

    def beyond(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw cutoffs c and return c / f."""
        return self.cutoffs.draw(x) / hz


class BandPass(BandFilter):
    """Keep what lies in a random band; see `BandFilter`."""

    name = "band_pass"

    def beyond(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw bands and return how far outside of them frequencies lie."""
        return self.bands.outside(hz, x)


class BandStop(BandFilter):
    """Keep what lies outside a random band; see `BandFilter`."""

    name = "band_stop"

    def beyond(self, hz: Tensor, x: Tensor) -> Tensor:
        """Draw bands and return how far inside of them frequencies lie, from their edges at 1."""
        return self.bands.outside(hz, x).reciprocal()
