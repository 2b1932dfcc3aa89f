"""A corpus of sound in shards, with its labels, in a folder or in an object store.

`musicssl data CORPUS --shards URL` writes them from any corpus of recordings. Training from them
draws the same clips and crops as from the corpus itself.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from musicssl.audio.instance_features import InstanceFeatures
from musicssl.audio.shard_index import Place, ShardIndex
from musicssl.audio.shards import ShardedSound
from musicssl.audio.waveform import Waveform
from musicssl.cache import default_cache
from musicssl.data.corpus import Corpus
from musicssl.datasets.base.command import corpus_table, print_whole
from musicssl.datasets.base.sharded_corpus import corpus_of, describe
from musicssl.errors import InputError, user_errors


@dataclass(frozen=True)
class Shards:
    """A corpus of sound that was written into shards.

    Attributes:
        root: Folder of the shards, or a URL such as s3://bucket/folder.
        features: `Waveform`, at the rate of the shards.
        cache: Folder of derived data, in which shards of another machine are kept.
        cache_gb: Gigabytes that may be kept; crops of the other shards are fetched in each step.
    """

    root: str | Path | None
    features: InstanceFeatures | Waveform = field(default_factory=Waveform)
    cache: str | Path = "cache"
    cache_gb: float = 20.0

    def outline(self) -> None:
        """Open the index; there is nothing to prepare, so that `load` says the rest as early.

        Raises:
            InputError: If it is missing or damaged.
        """
        self._opened  # noqa: B018 opens it

    def prepare(self) -> None:
        """Do nothing: shards are read as they are."""

    def load(self) -> Corpus:
        """Read the index, and open the shards.

        Raises:
            InputError: If they are missing, damaged or cut, or the features are others.
        """
        sound, index = self._opened
        if not isinstance(self.features, Waveform):
            raise InputError(
                "dataset=shards holds sound; type features=waveform and an encoder of sound, such "
                "as encoder=samplecnn."
            )
        if self.features.sample_rate != sound.sample_rate:
            raise InputError(
                f"the shards at {self.root} are at {sound.sample_rate} Hz, not at "
                f"{self.features.sample_rate}; type features.sample_rate={sound.sample_rate}, or "
                f"write shards with --sample-rate {self.features.sample_rate}."
            )
        return corpus_of(sound, index, str(self.root))

    def audio(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """Return one recording, (S,) mono, and its sample rate in Hz."""
        sound, index = self._opened
        row = np.flatnonzero(index.arrays["clip_ids"] == clip_id)
        samples = sound.read(row, np.zeros(1, np.int64), int(sound.lengths[row[0]]))
        return samples[0], sound.sample_rate

    @cached_property
    def _opened(self) -> tuple[ShardedSound, ShardIndex]:
        if self.root is None:
            raise InputError(
                "dataset=shards is read from files; type data.root=FOLDER, or data.root=URL."
            )
        cache = Path(self.cache).expanduser()
        return ShardedSound.open(Place.of(str(self.root)), cache, self.cache_gb)


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the corpus in shards; with --verify, read all of them."""
    parser = argparse.ArgumentParser(
        prog="python -m musicssl.datasets.shards", description=main.__doc__
    )
    parser.add_argument("--root", required=True, help="folder or URL of the shards")
    parser.add_argument("--verify", action="store_true", help="compare them with their checksums")
    given = parser.parse_args(arguments)
    with user_errors():
        place = Place.of(given.root)
        sound, index = ShardedSound.open(place, Path(default_cache()), cache_gb=0)
        if given.verify:
            sound.verify()
        print_whole(Console(), corpus_table(corpus_of(sound, index, given.root)))
        print(describe(given.root, index) + (", checksums right" if given.verify else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
