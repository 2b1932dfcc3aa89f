"""The augmentations with which SemiSupCon was published."""

from musicssl.augment.chain import Chain, Transform
from musicssl.augment.dsp.spectral import DECIBELS_PER_OCTAVE
from musicssl.augment.one_of import OneOf
from musicssl.augment.sometimes import Sometimes
from musicssl.augment.sound.coloured_noise import ColouredNoise
from musicssl.augment.sound.delay import Delay, DrawnDelay
from musicssl.augment.sound.filters import BandPass, BandStop, HighPass, LowPass
from musicssl.augment.sound.level import Level
from musicssl.augment.sound.pitch_shift import PitchShift
from musicssl.augment.sound.polarity import Polarity
from musicssl.errors import InputError

_PINK = DECIBELS_PER_OCTAVE / 2  # slope of the power in dB per octave for an f_decay of 1
_PROBABILITIES = {  # largest probability, and probability per unit of strength
    "gain": (0.7, 0.4),
    "polarity": (0.8, 0.6),
    "coloured_noise": (0.8, 0.6),
    "filtering": (0.6, 0.3),
    "pitch_shift": (0.75, 0.6),
    "delay": (0.6, 0.6),
}


def published_chain(
    severity: float, sample_rate: int, skipped: bool = True, drawn_echoes: bool = False
) -> Chain:
    """Build the published chain of views, in which each transform is applied to some of the clips.

    Guinot et al. 2024, https://arxiv.org/abs/2407.13840, in the form of their code: `severity`
    scales probabilities and strengths, see `published_transforms`. At low severities the whole
    chain is skipped for some clips.

    Args:
        severity: From 0, an empty chain, to 5; the authors train with 2.
        sample_rate: Sample rate, in Hz.
        skipped: Whether the whole chain is skipped for some clips, with the probability that
            `probability_of_chain` leaves.
        drawn_echoes: Whether the delay is that of the code; see `published_transforms`.

    Raises:
        InputError: If the severity lies outside [0, 5].
    """
    transforms = published_transforms(severity, sample_rate)
    if not transforms:
        return Chain()
    strength = severity / 2
    if drawn_echoes:
        transforms["delay"] = _drawn_delay(strength, sample_rate)
    each = {
        name: Sometimes(transform, min(most, slope * strength))
        for (name, transform), (most, slope) in zip(
            transforms.items(), _PROBABILITIES.values(), strict=True
        )
    }
    if not skipped:
        return Chain(**each)
    return Chain(published=Sometimes(Chain(**each), probability_of_chain(severity)))


def probability_of_chain(severity: float) -> float:
    """Return how likely it is that the published chain is not skipped as a whole."""
    return min(1.0, 0.8 * severity / 2)


def published_transforms(severity: float, sample_rate: int) -> dict[str, Transform]:
    """Build the transforms of the published chain, each of which changes every clip it gets.

    With s = severity / 2: gain from -15 s to 5 s dB; inverted polarity; coloured noise at a
    signal-to-noise ratio of 3 / s to 30 / s dB; one of four filters (band-pass, band-stop,
    high-pass, low-pass); pitch shift by up to 4 s semitones; 2 s echoes after 100 / s to 500 ms,
    each 0.5 s as strong as the one before.

    Frequencies above half the sample rate are lowered to it. The filters and the noise are of
    another kind than the authors', see `ButterworthFilter` and `ColouredNoise`. So is the delay,
    with echoes of one loudness: theirs, `DrawnDelay`, has none for half of the clips and draws how
    loud they are, which `published_chain` offers.

    Args:
        severity: From 0, no transforms, to 5.
        sample_rate: Sample rate, in Hz.

    Raises:
        InputError: If the severity lies outside [0, 5].
    """
    if not 0 <= severity <= 5:
        raise InputError(f"severity must lie between 0 (off) and 5, got {severity:g}.")
    if severity == 0:
        return {}
    s = severity / 2
    return {
        "gain": Level(5 * s, min_db=-15 * s),
        "polarity": Polarity(1.0),
        "coloured_noise": ColouredNoise(3 / s, 30 / s, -2 * s * _PINK, 2 * s * _PINK),
        "filtering": _filtering(s, sample_rate),
        "pitch_shift": PitchShift(4 * s, sample_rate),
        "delay": Delay(min(100 / s, 500), 500, 0.5 * s, max(1, round(2 * s)), sample_rate),
    }


def _drawn_delay(s: float, sample_rate: int) -> DrawnDelay:
    """Return the delay of the authors' code: volume, repeats and attenuation around a middle."""
    volume, repeats = 0.5 * s, max(1, round(2 * s))
    return DrawnDelay(
        min(100 / s, 500),
        500,
        volumes=(max(0.0, volume - 0.2), volume + 0.2),
        repeats=(repeats - 1, repeats + 1),
        attenuations=(0.3, 0.7),
        sample_rate=sample_rate,
    )


def _filtering(s: float, sample_rate: int) -> OneOf:
    def lowered(hz: float) -> float:
        return min(hz, sample_rate / 2)

    low, high = lowered(200), lowered(4000)
    highest = 7500 / max(1, s)
    lowest = min(max(75, 150 / s), highest)
    return OneOf(
        band_pass=BandPass(low, high, 0.5 * s, 1.99, sample_rate),
        band_stop=BandStop(low, high, 0.5 * s, 1.99, sample_rate),
        high_pass=HighPass(lowered(200 * s), lowered(2400 * s), sample_rate),
        low_pass=LowPass(lowered(lowest), lowered(highest), sample_rate),
    )
