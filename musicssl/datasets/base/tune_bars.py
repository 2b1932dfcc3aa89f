"""What corpora of single bars of tunes have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicssl.data.corpus import Corpus, InMemory
from musicssl.datasets.synthesis.bars import (
    ATTRIBUTES,
    TOKENS,
    attributes_of,
    pitches_of,
    tokens_of,
)

_SPLITS = ("train", "val", "test")
_BOUNDS = (0.85, 0.95)  # between them, as shares of the tunes


class TuneBars(NamedTuple):
    """A tune: a name of its own, a title that variants share, and its bars, pitches (K, 24)."""

    name: str
    title: str
    bars: NDArray[np.int64]


@dataclass(frozen=True)
class BarCorpus(InMemory, ABC):
    """Bars of 24 ticks as tokens, with four attributes, of tunes that splits do not divide.

    85 % of the titles train, 10 % validate and 5 % test.

    Attributes:
        seed: Seed of the split.
    """

    name: ClassVar[str]

    seed: int = 0

    @abstractmethod
    def tunes(self) -> Iterator[TuneBars]:
        """Return the tunes, of 20 titles at least, all of whose bars have a note."""

    def load(self) -> Corpus:
        """Read or compose the tunes; see `tunes`."""
        found = list(self.tunes())
        pitches = np.concatenate([tune.bars for tune in found])
        titles = np.repeat([tune.title for tune in found], [len(tune.bars) for tune in found])
        y = attributes_of(pitches).astype(np.float32)
        return Corpus(
            name=self.name,
            classes=ATTRIBUTES,
            x=tokens_of(pitches),
            y=y,
            mask=np.ones(y.shape, np.bool_),
            split=self._split_of(titles),
            clip_ids=np.array([f"{t.name}:{bar}" for t in found for bar in range(len(t.bars))]),
            groups=titles,
            task="regression",
            tokens=TOKENS,
        )

    def pitches_of(self, tokens: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return MIDI pitches; see `musicssl.data.melodies.Melodies`."""
        return pitches_of(tokens)

    def attributes_of(self, tokens: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the four attributes of any bars, NaN where they have none."""
        return attributes_of(pitches_of(tokens))

    def _split_of(self, titles: NDArray[np.str_]) -> NDArray[np.str_]:
        """Draw the split of each bar by its title, (N,)."""
        names, members = np.unique(titles, return_inverse=True)
        places = np.random.default_rng(self.seed).permutation(len(names)) / len(names)
        return np.array(_SPLITS)[np.searchsorted(_BOUNDS, places, side="right")][members]
