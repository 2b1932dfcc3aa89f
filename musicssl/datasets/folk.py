"""Folk music: single bars of tunes in ABC notation, with four exact attributes; a regression.

Pati and Lerch 2021, "Attribute-based regularization of latent spaces for variational
auto-encoders", https://arxiv.org/abs/2004.05485, section 4.1: bars in 4/4 of folk tunes of The
Session (https://thesession.org), each a row of 24 tokens. The targets are rhythmic complexity,
pitch range, note density and contour; see `musicssl.datasets.synthesis.bars`. For methods that read
tokens: `ar_vae`, `beta_vae`, `annealed_vae`, `factor_vae`.

The folder (`data.root`) and those in it hold .abc files of yours, such as a dump of a public
collection; nothing is downloaded. Repeats are written once. Other metres, bars that are not full,
bars without a note and bars with a pitch below C3 or above D7 are left out.

A tick has one of 53 tokens: a pitch that begins, a rest, or "hold", which continues what was
before. A beat has six ticks, at 0, 1/4, 1/3, 1/2, 2/3 and 3/4 of it; an onset moves to the nearest
one.

85 % of the tunes train, 10 % validate and 5 % test, as published; tunes of the same title are not
divided. Two tunes may have a bar in common, so that the test has bars that were trained on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from musicssl.datasets.base.tune_bars import BarCorpus, TuneBars
from musicssl.datasets.formats.abc_bars import bars_of, tunes_in
from musicssl.datasets.synthesis.bars import HIGHEST, LOWEST
from musicssl.errors import InputError

_LEAST = 20  # titles, so that each split has one


@dataclass(frozen=True)
class Folk(BarCorpus):
    """The bars of a folder of tunes.

    Attributes:
        root: Folder of .abc files, which may be in folders of it.
        seed: Seed of the split.
    """

    name: ClassVar[str] = "folk"

    root: str | Path = ""

    def outline(self) -> None:
        """Look for the folder; there is nothing to prepare, so that `load` says the rest as early.

        Raises:
            InputError: If it is not there.
        """
        self._folder()

    def tunes(self) -> Iterator[TuneBars]:
        """Read the tunes that have bars which can be used.

        Raises:
            InputError: If there is no such folder, a file of it cannot be read, or there are fewer
                than 20 titles.
        """
        folder = self._folder()
        found = []
        for name, tune in tunes_in(folder):
            bars = bars_of(tune)
            has_token = (bars < 0) | ((bars >= LOWEST) & (bars <= HIGHEST))
            bars = bars[has_token.all(axis=1) & (bars >= 0).any(axis=1)]
            if len(bars):
                found.append(TuneBars(name, tune.title.lower() or name, bars))
        titles = len({tune.title for tune in found})
        if titles < _LEAST:
            raise InputError(
                f"{folder} has {titles} tunes of different titles with a full bar in 4/4 between "
                f"C3 and D7, and three splits need {_LEAST}; set data.root to a folder with more "
                ".abc files, or choose dataset=folk_composed."
            )
        return iter(found)

    def _folder(self) -> Path:
        folder = Path(self.root).expanduser()
        if not self.root or not folder.is_dir():
            raise InputError(
                f"dataset=folk: {folder} is not a folder; set data.root to a folder of .abc files, "
                "or choose dataset=folk_composed, whose tunes are composed by rule."
            )
        return folder
