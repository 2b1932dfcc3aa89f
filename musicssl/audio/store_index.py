"""The format of a clip store: a file of samples and an index.

`samples.i16` contains the clips one after the other without gaps, 16 bits a sample, little-endian.
`index.json` contains the sample rate, and for each clip its name, its number of samples, their
CRC-32 and the number of samples that exceeded full scale.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.errors import InputError

SAMPLES = "samples.i16"
SAMPLE_TYPE = "<i2"
INDEX = "index.json"
_VERSION = 1
FULL_SCALE = 32768
"""Number of steps of 16-bit sound from 0 to 1."""


@dataclass(frozen=True)
class StoreIndex:
    """The clips of a store.

    Attributes:
        sample_rate: Sample rate, in Hz.
        clip_ids: Name of each clip, (N).
        lengths: Number of samples of each clip, (N), at least 1.
        crc32: Checksum of each clip's samples, (N).
        clipped: Number of samples of each clip that were outside of [-1, 1], (N).
        unreadable: Name and fault of every clip that is not in the store.
    """

    sample_rate: int
    clip_ids: list[str]
    lengths: list[int]
    crc32: list[int]
    clipped: list[int]
    unreadable: dict[str, str]

    def write(self, folder: Path) -> None:
        """Write the index and wait until it is on the disk."""
        with (folder / INDEX).open("w", encoding="utf-8") as file:
            json.dump({"version": _VERSION, **asdict(self)}, file)
            file.flush()
            os.fsync(file.fileno())


def read_index(folder: Path) -> StoreIndex:
    """Read the index of a store.

    Raises:
        InputError: If it is missing, damaged or of another version.
    """
    cure = f"remove {folder} and prepare it again (--prepare)"
    try:
        content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        version = content.pop("version")
        index = StoreIndex(**content) if version == _VERSION else None
        if index is not None and not _fits_together(index):
            raise ValueError("its lists do not fit together")
    except FileNotFoundError as error:
        raise InputError(f"{folder} is not a clip store: it has no {INDEX}; {cure}.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"the index of the clip store {folder} is damaged; {cure}.") from error
    if index is None:
        raise InputError(
            f"the clip store {folder} has version {version}, but musicssl reads version "
            f"{_VERSION}; {cure}."
        )
    return index


def _fits_together(index: StoreIndex) -> bool:
    """Whether all is of its type, and each clip has one name, length, checksum and count."""
    numbers = (index.lengths, index.crc32, index.clipped)
    lists = all(isinstance(values, list) for values in (index.clip_ids, *numbers))
    return (
        lists
        and type(index.sample_rate) is int
        and index.sample_rate > 0
        and {len(values) for values in numbers} == {len(index.clip_ids)}
        and all(type(name) is str for name in index.clip_ids)
        and len(set(index.clip_ids)) == len(index.clip_ids)
        and all(type(n) is int and 0 <= n < 2**40 for values in numbers for n in values)
        and all(index.lengths)
        and isinstance(index.unreadable, dict)
        and all(isinstance(cause, str) for cause in index.unreadable.values())
    )


def quantise(samples: NDArray[np.float32]) -> tuple[NDArray[np.int16], int]:
    """Round samples to 16 bits.

    The error of samples in [-1, 1) is at most 1/65536, half a step. From half a step below 1 up to
    1 it is at most 1/32768, because 32767 is the largest number. Samples that had 16 bits do not
    change.

    Args:
        samples: Samples, (S,), finite; full scale is [-1, 1].

    Returns:
        The rounded samples, (S,), and the number of samples outside of [-1, 1], which are clipped.
    """
    steps = samples * np.float32(FULL_SCALE)
    np.rint(steps, out=steps)
    outside = 0
    if steps.max(initial=0) >= FULL_SCALE or steps.min(initial=0) < -FULL_SCALE:
        outside = int(np.count_nonzero(np.abs(samples) > 1))
        np.clip(steps, -FULL_SCALE, FULL_SCALE - 1, out=steps)
    return steps.astype(np.int16), outside
