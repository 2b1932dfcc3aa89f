"""Your own audio: a folder of recordings, and a table of labels for some of them.

`python -m musicssl.datasets.audio_folder --root DIR --labels labels.csv` shows the content. See
`musicssl.datasets.formats.labels_csv` for the table. A clip is a file. A labelled file is observed
for every class: present if its row names the class, absent if not. Files that are not in the table,
or whose label is empty, are unlabelled and in the training split.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from rich.console import Console

from musicssl.audio.av_reader import INSTALL
from musicssl.audio.files import audio_files, other_audio_files
from musicssl.audio.inspection import readable_suffixes
from musicssl.audio.unreadable import printable_path
from musicssl.audio.waveform import Waveform
from musicssl.cache import default_cache
from musicssl.data.corpus import Corpus, check_corpus
from musicssl.datasets.base.annotations import Annotations
from musicssl.datasets.base.command import PREPARE, corpus_table, print_whole, show_store
from musicssl.datasets.base.recordings import Recordings, shortened
from musicssl.datasets.formats.labels_csv import (
    LabelTable,
    choose_classes,
    drawn_split,
    fold_split,
    groups_by_path,
    read_label_table,
    targets,
)
from musicssl.errors import InputError, printable, user_errors

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AudioFolder(Recordings):
    """A corpus of a user's own files, searched recursively; hidden files are skipped.

    Attributes:
        labels: The table, relative to `root` or absolute; None without labels.
        extra_columns: Columns of the table to ignore; any other unknown column is an error.
        test_fold: The fold for testing; the others are for training. It overrides a column `split`.
        test_fraction: Fraction of the labelled groups drawn for testing, if the table has no column
            `split` and there is no `test_fold`.
        split_seed: Seed of that draw, different from the seed of a run, so that all runs have the
            same test set.
        classes: The classes and their order; None for all classes of the table, sorted. In a file
            labelled only with other classes, none of these is present.
    """

    name: ClassVar[str] = "audio_folder"
    get: ClassVar[str] = "set data.root to the folder of your audio"

    labels: str | Path | None = None
    extra_columns: Sequence[str] = ()
    test_fold: int | str | None = None
    test_fraction: float = 0.15
    split_seed: int = 0
    classes: Sequence[str] | None = None

    @property
    def folder(self) -> Path:
        """The folder `root`.

        Raises:
            InputError: If it is not set or is not a folder.
        """
        if self.root is None:
            raise InputError("data.root is not set; set it to the folder of your audio.")
        folder = Path(self.root).expanduser()
        if not folder.is_dir():
            raise InputError(
                f"{folder} is not a folder; set data.root to the folder of your audio."
            )
        return folder

    def annotations(self) -> Annotations:
        """Read the table; files that are not in it are unlabelled, for training.

        Raises:
            InputError: If root, table or a file in the table is missing, the table is malformed
                (see `read_label_table`), a chosen class never occurs, or the split is impossible.
        """
        table = self._table()
        split_of, classes = self._split(table), choose_classes(table, self.classes)
        paths = sorted(audio_files(self.folder) | set(table.labels))
        if not paths:
            raise InputError(
                f"{self.folder} has no audio: no file in it ends in one of "
                f"{' '.join(sorted(readable_suffixes()))}; set data.root to another folder, or "
                "convert the files."
            )
        y, mask = targets(table, paths, classes)
        groups = np.array(list(groups_by_path(table, paths).values())) if table.group else None
        return Annotations(
            classes=classes,
            paths=tuple(paths),
            y=y,
            mask=mask,
            split=np.array([split_of.get(path, "train") for path in paths]),
            groups=groups,
        )

    def load(self) -> Corpus:
        """Read the table and open the recordings, decoding them if they are not cached."""
        corpus = super().load()
        if unused := sorted(other_audio_files(self.folder)):
            _log.warning("%s", _unused(unused))
        table = self._table()
        if table.split is None and self.test_fold is None:
            _log.info(
                "no column 'split' and no dataset.test_fold; files drawn for testing with "
                "dataset.split_seed=%d: %d",
                self.split_seed,
                list(self._split(table).values()).count("test"),
            )
        return corpus

    def _table(self) -> LabelTable:
        if self.labels is None:
            return LabelTable({})
        table = read_label_table(self.folder / Path(self.labels).expanduser(), self.extra_columns)
        _check_present(self.folder, table)
        return table

    def _split(self, table: LabelTable) -> dict[str, str]:
        """Return the split of the files in the table; all others are for training."""
        if self.test_fold is not None:
            return fold_split(table, self.test_fold)
        if table.split is not None or not table.labels:
            return table.split or {}
        return drawn_split(table, self.test_fraction, self.split_seed)


def _check_present(root: Path, table: LabelTable) -> None:
    absent = [path for path in table.labels if not (root / path).is_file()]
    if absent:
        raise InputError(
            f"{len(absent)} of the {len(table.labels)} files in the table of labels are not under "
            f"{root}: {shortened(absent)}; add them, remove their rows or set data.root to the "
            "folder to which the paths are relative."
        )


def _unused(paths: Sequence[str]) -> str:
    """Return the line about audio files that cannot be read with what is installed."""
    listed = shortened([f"{printable_path(path)} ({Path(path).suffix})" for path in paths])
    files = "file" if len(paths) == 1 else "files"
    return f"{len(paths)} other audio {files} not used: {listed}; to read them: {INSTALL}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the content of a folder and its table, and check that a run can use them."""
    parser = argparse.ArgumentParser(
        prog="python -m musicssl.datasets.audio_folder", description=main.__doc__
    )
    parser.add_argument("--root", required=True, help="folder of the recordings")
    parser.add_argument("--labels", help="table of labels, relative to the root or absolute")
    parser.add_argument("--extra-columns", nargs="*", default=[], help="columns to ignore")
    parser.add_argument("--test-fold", help="the fold for testing")
    parser.add_argument("--prepare", action="store_true", help=PREPARE)
    parser.add_argument("--sample-rate", type=int, default=16_000, help="of the store, in Hz")
    parser.add_argument("--num-workers", type=int, default=-1, help="processes; -1: one per core")
    parser.add_argument("--cache", default=default_cache(), help="folder of derived data")
    given = vars(parser.parse_args(arguments))
    rate, prepare = given.pop("sample_rate"), given.pop("prepare")
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    with user_errors():
        features = Waveform(rate)
        folder = AudioFolder(**given, features=features, unreadable="skip")
        if prepare:
            show_store(folder.prepare_store())
        corpus = folder.load()
        console = Console()
        print_whole(console, corpus_table(corpus))
        for line in _facts(corpus, folder.unreadable_files()):
            console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
        check_corpus(corpus)
    return 0


def _facts(corpus: Corpus, unreadable: dict[str, str]) -> list[str]:
    """Return lines about the corpus that are not in the table of classes."""
    labelled = int(corpus.mask.any(axis=1).sum())
    lines = [f"{labelled} labelled clips, {len(corpus.clip_ids) - labelled} unlabelled"]
    if corpus.groups is not None:
        groups = np.unique(corpus.groups)
        torn = sum(len(np.unique(corpus.split[corpus.groups == group])) > 1 for group in groups)
        lines.append(f"{len(groups)} groups, {torn} of them in more than one split")
    lines.append(f"files that cannot be used: {len(unreadable)}")
    return lines + [f"  {printable_path(path)} {cause}" for path, cause in unreadable.items()]


if __name__ == "__main__":
    sys.exit(main())
