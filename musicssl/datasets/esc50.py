"""ESC-50: five seconds of one of fifty environmental sounds.

Piczak, ACM Multimedia 2015, https://doi.org/10.1145/2733373.2806390; CC BY-NC 3.0, its subset
ESC-10 CC BY 3.0, the clips by their authors on Freesound: the LICENSE of the corpus names them.
2,000 clips, forty of each class, 44.1 kHz mono, in five folds. It is no music.

The folder as the archive of https://github.com/karolpiczak/ESC-50 unpacks:

    meta/esc50.csv                       filename,fold,target,category,esc10,src_file,take
    audio/1-100032-A-0.wav               fold-source-take-target

Clips of one source are a group, and all of a group are in one fold. `dataset.fold` is the test
fold; the validation clips are drawn from the other folds by groups (`data.val_fraction`). Error
rates are means over the five folds. With `dataset.subset=esc10` only the clips of ESC-10 are
used, as in `dataset=esc10`.

`python -m musicssl.datasets.esc50 --root DIR` shows what is found.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from musicssl.datasets.base.annotations import Annotations, one_hot
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.formats.esc_names import fold_and_source, split_by_fold
from musicssl.datasets.formats.tables import Line, read_table
from musicssl.errors import InputError

TABLE = "meta/esc50.csv"
SUBSETS = ("all", "esc10")
_COLUMNS = ("filename", "fold", "target", "category", "esc10")


@dataclass(frozen=True)
class ESC50(Recordings):
    """ESC-50 as its authors' archive unpacks.

    Attributes:
        fold: The fold of the test clips, 1 to 5.
        subset: "all", or "esc10" for the clips of ESC-10 alone.
    """

    name = "esc50"
    folders = ("esc50", "ESC-50", "ESC-50-master")
    marks = (TABLE,)
    get = "download https://github.com/karolpiczak/ESC-50/archive/master.zip and unpack it"

    fold: int = 1
    subset: str = "all"

    def annotations(self) -> Annotations:
        """Read the table.

        Raises:
            InputError: If the fold or the subset does not exist, or the table is malformed or
                contradicts the names of the files.
        """
        if self.subset not in SUBSETS:
            raise InputError(f"dataset.subset must be {' or '.join(SUBSETS)}, got {self.subset!r}.")
        lines = list(read_table(self.folder / TABLE, _COLUMNS, self.get, key="filename"))
        if self.subset == "esc10":
            lines = [line for line in lines if line[1]["esc10"] == "True"]
        if not lines:
            raise InputError(f"{self.folder / TABLE} names no clip; {self.get}.")
        named = [self._fold_and_source(line) for line in lines]
        cells = [cells for _, cells in lines]
        classes = _classes(lines, self.get)
        y = one_hot([cell["category"] for cell in cells], classes)
        return Annotations(
            classes=classes,
            paths=tuple(f"audio/{cell['filename']}" for cell in cells),
            y=y,
            mask=np.ones(y.shape, np.bool_),
            split=split_by_fold([fold for fold, _ in named], self.fold),
            task="multi_class",
            groups=np.array([source for _, source in named]),
        )

    def _fold_and_source(self, line: Line) -> tuple[int, str]:
        location, cells = line
        fold, source = fold_and_source(cells["filename"], self.get)
        if cells["fold"] != str(fold):
            raise InputError(
                f"{location} has fold {cells['fold']!r} for {cells['filename']}, whose name says "
                f"{fold}; {self.get}."
            )
        return fold, source


def _classes(lines: Sequence[Line], get: str) -> tuple[str, ...]:
    """Return the categories in the order of their targets."""
    target_of: dict[str, int] = {}
    for location, cells in lines:
        target = cells["target"]
        number = int(target) if re.fullmatch("[0-9]{1,4}", target) else -1
        if number < 0 or target_of.setdefault(cells["category"], number) != number:
            raise InputError(
                f"{location} has target {target!r} for {cells['category']!r}, not the number of "
                f"that category; {get}."
            )
    return tuple(sorted(target_of, key=target_of.__getitem__))


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the content of a folder of ESC-50."""
    return corpus_command(ESC50, arguments)


if __name__ == "__main__":
    sys.exit(main())
