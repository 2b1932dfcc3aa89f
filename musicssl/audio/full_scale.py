"""Samples beyond full scale in files of floats: their size, and the warnings about them.

Full scale is 1. A file that was exported a little too loud has some larger samples and can be used;
one whose samples were never divided by the largest integer cannot.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from musicssl.audio.unreadable import TRUNCATED, UnreadableAudioError, printable_path

BLOCK = 1 << 17
"""Samples decoded at a time, all channels together; larger buffers are slower."""

_LARGEST_SAMPLE = 2.0**32  # larger ones become infinite in the resampler, or are damage
_FULL_SCALES = (2.0**15, 2.0**23, 2.0**31)  # of integers
_log = logging.getLogger(__name__)


def peak_of(path: Path, file: soundfile.SoundFile) -> float:
    """Return the largest magnitude of the samples of a file of floats.

    Raises:
        UnreadableAudioError: If samples are not finite or enormous, if most of those that are not 0
            are beyond full scale, or if some are missing.
    """
    peak, beyond, sounding, count = 0.0, 0, 0, 0
    size = max(1, BLOCK // file.channels)
    while len(block := file.read(size, dtype="float32", always_2d=True)):
        magnitudes = np.abs(block)
        if not np.isfinite(magnitudes).all():
            raise UnreadableAudioError(path, "holds samples that are NaN or infinite")
        peak = max(peak, float(magnitudes.max()))
        beyond += int(np.count_nonzero(magnitudes > 1))
        sounding += int(np.count_nonzero(magnitudes))
        count += len(block)
    if count < file.frames:
        raise UnreadableAudioError(path, TRUNCATED)
    if peak > _LARGEST_SAMPLE:
        raise UnreadableAudioError(path, f"holds samples of {peak:.2g}, where full scale is 1")
    if 2 * beyond > sounding:
        raise UnreadableAudioError(
            path,
            f"holds samples up to {peak:.6g}, most of them beyond full scale, which is 1; "
            f"divide them by {_likely_scale(peak):.0f}",
        )
    return peak


def _likely_scale(peak: float) -> float:
    """Return full scale of the smallest usual integer type that holds a magnitude.

    >>> _likely_scale(30_000.0), _likely_scale(8e6)
    (32768.0, 8388608.0)
    """
    return next((scale for scale in _FULL_SCALES if peak <= scale), peak)


def warn_beyond_full_scale(peaks: Mapping[str, float]) -> None:
    """Log a warning if files of floats have samples beyond full scale.

    Args:
        peaks: Largest magnitude of the samples of each file.
    """
    beyond = {path: peak for path, peak in peaks.items() if peak > 1}
    if beyond:
        loudest = max(beyond, key=lambda path: beyond[path])
        _log.warning(
            "%d files of floats have samples beyond full scale, which is 1; the largest is %.6g, "
            "in %s; scale them if that is not intended",
            len(beyond),
            beyond[loudest],
            printable_path(loudest),
        )
