"""Synthesised clips of one instrument each: a multi-class corpus.

The same notes, fonts, rooms and noise as `musicssl.datasets.synthband`, but a single instrument
plays in each clip, so that each clip has one of the twenty classes: softmax, accuracy and a
confusion matrix. With `scores`, one of the instruments that play in the stretch of the score is
kept. There are no labels in time. The audio is synthesised.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from musicssl.datasets.synthband import SOLO, Synthband
from musicssl.datasets.synthesis.compose import Part


@dataclass(frozen=True)
class SynthbandSolo(Synthband):
    """A corpus of synthesised clips, each of a single instrument.

    Attributes and errors are those of `SynthesisSettings`, without the number of instruments and
    their levels.
    """

    name: ClassVar[str] = "synthband_solo"
    task: ClassVar[str] = "multi_class"

    min_parts: int = field(default=1, init=False)
    max_parts: int = field(default=1, init=False)
    level_range_db: float = field(default=0.0, init=False)
    target: str = field(default="instruments", init=False)

    def _score(self, number: int) -> list[Part]:
        parts = super()._score(number)
        columns = sorted({part.column for part in parts})
        rng = np.random.default_rng([self.seed, number, SOLO])
        chosen = columns[rng.integers(len(columns))]
        return [part for part in parts if part.column == chosen]
