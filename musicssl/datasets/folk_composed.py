"""Bars of tunes composed by rule, in the form of `musicssl.datasets.folk`; a regression.

A stand-in for those who have no ABC files: numbers on these bars say nothing about folk music. A
tune has sixteen bars in one scale; see `musicssl.datasets.synthesis.bars.compose`. Tokens, targets
and splits are those of `dataset=folk`. Nothing is downloaded.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from musicssl.datasets.base.tune_bars import BarCorpus, TuneBars
from musicssl.datasets.synthesis.bars import compose
from musicssl.errors import InputError


@dataclass(frozen=True)
class FolkComposed(BarCorpus):
    """The bars of composed tunes.

    Attributes:
        num_tunes: Number of tunes, 20 or more.
        seed: Seed of the tunes and of the split.

    Raises:
        InputError: If there are fewer tunes, so that a split would be empty.
    """

    name: ClassVar[str] = "folk_composed"

    num_tunes: int = 1000

    def __post_init__(self) -> None:
        if self.num_tunes < 20:
            raise InputError(
                f"dataset.num_tunes must be 20 or more, so that no split is empty; got "
                f"{self.num_tunes}."
            )

    def tunes(self) -> Iterator[TuneBars]:
        """Compose the tunes."""
        rng = np.random.default_rng(self.seed)
        for number in range(self.num_tunes):
            name = f"tune{number:06d}"
            yield TuneBars(name, name, compose(rng))
