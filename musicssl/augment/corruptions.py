"""Corruptions of sound, for tests of robustness: those of SemiSupCon."""

import math
from collections.abc import Callable

from musicssl.augment.chain import Chain, Transform
from musicssl.augment.published import published_transforms
from musicssl.augment.sound.bit_crush import BitCrush
from musicssl.augment.sound.chorus import Chorus
from musicssl.augment.sound.compression import Compression
from musicssl.augment.sound.distortion import Distortion
from musicssl.augment.sound.mp3 import MP3
from musicssl.augment.sound.reverb import Reverb
from musicssl.augment.sound.reverse import Reverse
from musicssl.augment.sound.splice_out import SpliceOut
from musicssl.augment.sound.time_stretch import TimeStretch

Corruption = Callable[[float], Transform]


def corruptions(sample_rate: int) -> dict[str, Corruption]:
    """Return the corruptions of Guinot et al. 2024, https://arxiv.org/abs/2407.13840, by name.

    Each takes a severity from 0, which changes nothing, to 5, and returns a transform that is
    applied to every clip. Gain, polarity, coloured noise, filtering, pitch shift and delay are
    those of the published chain of views at that severity, see `published_transforms`. The others
    were published at one strength, which is severity 5 here. At lower severities one quantity
    shrinks linearly to its neutral value:

    - the deviation from the clip's tempo (time_stretch, 0.7 to 1.3 at 5), the length of cuts
      (splice_out, eight cuts of up to 400 ms), the amplitude of the added signal (reverb, of 10 s,
      and chorus, of 5 Hz, half of the mix);
    - the gain before the amplifier (distortion, 9 dB) and the attenuation in dB of each decibel
      above -30 dB (compression, 5 to 1);
    - the number of bits, from 16, each of which is 6 dB of noise (bit_crush, 4), and the quality
      setting, from the best (mp3, 9);
    - the fraction of the clips (reverse, all): a clip cannot be reversed a little.

    The authors use pedalboard's reverb and chorus, which have other rooms and modulations.

    Args:
        sample_rate: Sample rate, in Hz; mp3 raises an error if MP3 does not support it.

    Raises:
        InputError: When a corruption is called, if its severity lies outside [0, 5].
    """

    def corruption(name: str) -> Corruption:
        def corrupt(severity: float) -> Transform:
            published = published_transforms(severity, sample_rate)
            if not published:
                return Chain()
            return published[name] if name in published else fixed[name](severity / 5)

        return corrupt

    fixed = _fixed(sample_rate)
    return {name: corruption(name) for name in published_transforms(5, sample_rate) | fixed}


def _fixed(sample_rate: int) -> dict[str, Corruption]:
    """Return the corruptions published at one strength, as functions of its share in (0, 1]."""
    return {
        "time_stretch": lambda share: TimeStretch(1 - 0.3 * share, 1 + 0.3 * share, sample_rate),
        "splice_out": lambda share: SpliceOut(8, 400 * share, sample_rate),
        "reverb": lambda share: Reverb(10, 10, 0.5 * share, sample_rate),
        "chorus": lambda share: Chorus(5, 2.5, 7, 0.5 * share, sample_rate),
        "distortion": lambda share: Distortion(*[9 + 20 * math.log10(share)] * 2),
        "compression": lambda share: Compression(-30, 1 / (1 - 0.8 * share), 1, 100, sample_rate),
        "reverse": Reverse,
        "bit_crush": lambda share: BitCrush(16 - 12 * share),
        "mp3": lambda share: MP3(9 * share, sample_rate),
    }
