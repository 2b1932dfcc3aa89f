"""Bars of tunes in 4/4 on a grid of 24 ticks, read from a folder of ABC files."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.data.melodies import HOLD, REST
from musicssl.datasets.formats.abc_notation import Tune, read_abc

TICKS = 24  # of a bar
# Six ticks of a beat, as in AR-VAE: no grid of equal steps has thirds and quarters.
_OFFSETS = tuple(Fraction(*pair) for pair in ((0, 1), (1, 4), (1, 3), (1, 2), (2, 3), (3, 4)))
GRID = np.array([float(beat + offset) / 4 for beat in range(4) for offset in _OFFSETS])
"""Where ticks are, in bars from the start of a bar."""


def tunes_in(folder: Path) -> Iterator[tuple[str, Tune]]:
    """Read all tunes in the .abc files of a folder and of those in it, each with a name of its own.

    Raises:
        InputError: If a file cannot be read.
    """
    for path in sorted(folder.rglob("*.abc")):
        for number, tune in enumerate(read_abc(path)):
            yield f"{path.relative_to(folder).as_posix()}:{number}", tune


def bars_of(tune: Tune) -> NDArray[np.int64]:
    """Return the bars of a tune that are full; none if its metre is not 4/4.

    Onsets move to the nearest tick; of notes that meet, the last one stays. A note that is tied
    over a bar line makes one bar too long and the next too short, so that both are left out.

    Returns:
        The MIDI pitch that begins at each tick, or `REST` or `HOLD` of `musicssl.data.melodies`,
        (K, TICKS).
    """
    if tune.metre != 1:
        return np.zeros((0, TICKS), np.int64)
    numbers = sorted({event.bar for event in tune.events})
    bars = {number: np.full(TICKS, HOLD) for number in numbers}
    filled = dict.fromkeys(numbers, Fraction(0))
    for event in tune.events:
        tick = int(np.abs(GRID - float(min(filled[event.bar], Fraction(1)))).argmin())
        bars[event.bar][tick] = REST if event.key is None else event.key
        filled[event.bar] += event.duration
    full = [bars[number] for number in numbers if filled[number] == 1]
    return np.array(full) if full else np.zeros((0, TICKS), np.int64)
