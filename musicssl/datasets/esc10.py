"""ESC-10: five seconds of one of ten environmental sounds.

Piczak, ACM Multimedia 2015, https://doi.org/10.1145/2733373.2806390; CC BY 3.0, the clips by their
authors on Freesound: the README of the corpus names them. 400 clips, forty of each class, 44.1 kHz
mono, in five folds. It is no music. It is here because it is the public benchmark of
semi-supervised learning on audio.

The folder, as published (https://doi.org/10.7910/DVN/YDEPUT), or with folders named after classes:

    001 - Dog bark/1-100032-A.ogg        fold-source-take, the number of the source on Freesound
    audio/Dog_bark/1-100032-A.ogg

Clips of one source are a group, and all of a group are in one fold. `dataset.fold` is the test
fold; the validation clips are drawn from the other folds by groups (`data.val_fraction`). Error
rates are means over the five folds.

`python -m musicssl.datasets.esc10 --root DIR` shows what is found.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from musicssl.audio.files import audio_files
from musicssl.datasets.base.annotations import Annotations, one_hot
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.formats.esc_names import fold_and_source, split_by_fold
from musicssl.errors import InputError

CLASSES = (
    "dog bark",
    "rain",
    "sea waves",
    "baby cry",
    "clock tick",
    "person sneeze",
    "helicopter",
    "chainsaw",
    "rooster",
    "fire crackling",
)
"""Classes in the order of the published folders, 001 to 010."""


@dataclass(frozen=True)
class ESC10(Recordings):
    """ESC-10 as its authors' archive unpacks.

    Attributes:
        fold: The fold of the test clips, 1 to 5.
    """

    name = "esc10"
    folders = ("esc10", "ESC-10")
    marks = ("001 - Dog bark", "audio/Dog_bark")
    get = "download it from https://doi.org/10.7910/DVN/YDEPUT and unpack it"

    fold: int = 1

    def annotations(self) -> Annotations:
        """Read the folders' and the files' names.

        Raises:
            InputError: If the fold does not exist, the folder of a class is missing or empty, or a
                file has another kind of name.
        """
        clips = [
            (path, name)
            for number, name in enumerate(CLASSES, 1)
            for path in self._of(number, name)
        ]
        named = [fold_and_source(path, self.get) for path, _ in clips]
        y = one_hot([name for _, name in clips], CLASSES)
        return Annotations(
            classes=CLASSES,
            paths=tuple(path for path, _ in clips),
            y=y,
            mask=np.ones(y.shape, np.bool_),
            split=split_by_fold([fold for fold, _ in named], self.fold),
            task="multi_class",
            groups=np.array([source for _, source in named]),
        )

    def _of(self, number: int, name: str) -> list[str]:
        """Return the paths of the clips of a class."""
        folder, title = self.folder, name.capitalize()
        published, renamed = f"{number:03d} - {title}", f"audio/{title.replace(' ', '_')}"
        inside = published if (folder / published).is_dir() else renamed
        files = sorted(audio_files(folder / inside)) if (folder / inside).is_dir() else []
        if not files:
            raise InputError(f"{folder / published} is missing or has no clip; {self.get}.")
        return [f"{inside}/{file}" for file in files]


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the content of a folder of ESC-10."""
    return corpus_command(ESC10, arguments)


if __name__ == "__main__":
    sys.exit(main())
