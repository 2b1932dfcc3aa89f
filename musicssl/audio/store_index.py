"""The format of a clip store: one file of all samples, and one that says whose they are.

`samples.i16` holds the clips one after the other, 16 bits a sample, little-endian, nothing between
them. `index.json` holds the rate, and of each clip its name, its number of samples, their CRC-32
and how many of them were beyond full scale.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from musicssl.errors import InputError

SAMPLES = "samples.i16"
SAMPLE_TYPE = "<i2"
_INDEX = "index.json"
_VERSION = 1


@dataclass(frozen=True)
class StoreIndex:
    """Whose samples a store holds.

    Attributes:
        sample_rate: In Hz.
        clip_ids: Name of each clip, (N).
        lengths: Samples of each clip, (N), at least 1.
        crc32: Checksum of each clip's samples, (N).
        clipped: Samples of each clip that lay outside of [-1, 1], (N).
        unreadable: Of each clip that is not in the store its name and what is wrong with it.
    """

    sample_rate: int
    clip_ids: list[str]
    lengths: list[int]
    crc32: list[int]
    clipped: list[int]
    unreadable: dict[str, str]

    def write(self, folder: Path) -> None:
        """Write it to the disk before returning."""
        with (folder / _INDEX).open("w", encoding="utf-8") as file:
            json.dump({"version": _VERSION, **asdict(self)}, file)
            file.flush()
            os.fsync(file.fileno())


def read_index(folder: Path) -> StoreIndex:
    """Read the index of a store.

    Raises:
        InputError: If it is missing, damaged or of another version.
    """
    again = f"remove {folder} and prepare it again (--prepare)"
    try:
        content = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        version = content.pop("version")
        index = StoreIndex(**content) if version == _VERSION else None
    except FileNotFoundError as error:
        raise InputError(f"{folder} is not a clip store: it has no {_INDEX}; {again}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the index of the clip store {folder} is damaged; {again}.") from error
    if index is None:
        raise InputError(
            f"the clip store {folder} has version {version} where {_VERSION} can be read; {again}."
        )
    return index
