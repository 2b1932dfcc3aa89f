"""Which clips OpenMIC-2018 has: their splits and their artists."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.annotation_file import annotation_text
from musicssl.annotation_table import read_table
from musicssl.errors import InputError
from musicssl.openmic.folder import AGAIN, METADATA, partition_paths


def read_partitions(folder: Path) -> dict[str, str]:
    """Read which split each clip is in, "train" or "test", in the order of their sorted keys.

    Raises:
        InputError: If a list is empty or unreadable, or names a clip that was named before.
    """
    split_of: dict[str, str] = {}
    for split in ("train", "test"):
        path = next(path for path in partition_paths(folder, split) if path.is_file())
        keys = annotation_text(path, AGAIN).split()
        if not keys:
            raise InputError(f"{path} is empty; {AGAIN}.")
        for key in keys:
            if key in split_of:
                raise InputError(f"{path} names clip {key!r}, which is already used; {AGAIN}.")
            split_of[key] = split
    return dict(sorted(split_of.items()))


def read_artists(folder: Path, keys: Sequence[str]) -> NDArray[np.str_] | None:
    """Read the artist of each clip, (N,), or None if the file is absent.

    Raises:
        InputError: If the file is unreadable or lacks one of the clips.
    """
    path = folder / METADATA
    if not path.is_file():
        return None
    table = read_table(path, ("sample_key", "artist_id"), AGAIN)
    artist_of = {row["sample_key"]: row["artist_id"] for _, row in table}
    artists = [artist_of.get(key, "") for key in keys]
    if "" in artists:
        raise InputError(
            f"{path} names no artist for {artists.count('')} of {len(keys)} clips, "
            f"{keys[artists.index('')]!r} being the first; complete it, or remove it to do without "
            "artists."
        )
    return np.array(artists)
