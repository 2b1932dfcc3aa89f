"""Your own audio: a folder of recordings, and a table of labels for some of them.

`python -m musicssl.datasets.audio_folder --root DIR --labels labels.csv` shows the content. See
`musicssl.datasets.formats.labels_csv` for the table. A clip is a file. A labelled file is observed
for every class: present if its row names the class, absent if not. Files that are not in the table,
or whose label is empty, are unlabelled and in the training split.

Without a table, folders may be the classes (`classes_from="folders"`), or there are no labels, and
the audio is for embeddings or for a second corpus, `unlabelled=audio_folder`.
"""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
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
from musicssl.data.checks import check_clips, check_corpus
from musicssl.data.corpus import Corpus
from musicssl.datasets.base.annotations import Annotations
from musicssl.datasets.base.command import (
    PREPARE,
    add_shards_options,
    corpus_table,
    print_whole,
    show_store,
)
from musicssl.datasets.base.options import add_options, gathered, named_as_options, typed_setting
from musicssl.datasets.base.recordings import Recordings, shortened
from musicssl.datasets.base.sharded_corpus import check_shards, write_corpus
from musicssl.datasets.formats.class_folders import folder_labels
from musicssl.datasets.formats.label_splits import drawn_split, fold_split, groups_by_path
from musicssl.datasets.formats.labels_csv import (
    COLUMNS,
    LabelTable,
    check_one_label,
    choose_classes,
    read_label_table,
    targets,
)
from musicssl.errors import InputError, printable, user_errors

_OF_THE_TABLE = ("extra_columns", "columns", "separator", "test_fold", "val_fold")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AudioFolder(Recordings):
    """A corpus of a user's own files, searched recursively; hidden files are skipped.

    Attributes:
        labels: The table, relative to `root` or absolute; None without labels.
        extra_columns: Columns of the table to ignore; any other unknown column is an error.
        columns: Names of columns of the table by those of `labels_csv.COLUMNS`, if they differ; a
            name of None is the same one.
        separator: What is between several classes in a cell; None for `;`.
        classes_from: "table", or "folders": no table is read, and the first folder below the root
            is the class of a file. None for "table".
        task: "multi_label", or "multi_class": each labelled file has exactly one class. None for
            "multi_label" with a table, and for "multi_class" with folders.
        test_fold: The fold for testing; the others are for training. It overrides a column `split`.
        val_fold: The fold for validation, beside `test_fold`; None to carve a validation set out of
            the training clips.
        test_fraction: Fraction of the labelled groups drawn for testing, if the table has no column
            `split` and there is no `test_fold`.
        split_seed: Seed of that draw, different from the seed of a run, so that all runs have the
            same test set.
        classes: The classes and their order; None for all classes, sorted. In a file labelled only
            with other classes, none of these is present; with "multi_class" it is unlabelled.
    """

    name: ClassVar[str] = "audio_folder"
    get: ClassVar[str] = "set data.root to the folder of your audio"

    labels: str | Path | None = field(
        default=None, metadata={"help": "table of labels, relative to the root or absolute"}
    )
    extra_columns: Sequence[str] = field(
        default=(), metadata={"help": "columns of the table to ignore"}
    )
    columns: Mapping[str, str | None] = field(
        default_factory=dict, metadata={"keys": COLUMNS, "help": "name of this column in the table"}
    )
    separator: str | None = field(
        default=None, metadata={"help": "between several labels in a cell; default: ;"}
    )
    classes_from: str | None = field(
        default=None, metadata={"help": "table, or folders: the first one below the root"}
    )
    task: str | None = field(
        default=None, metadata={"help": "multi_label, or multi_class: one label for each file"}
    )
    test_fold: int | str | None = field(default=None, metadata={"help": "the fold for testing"})
    val_fold: int | str | None = field(default=None, metadata={"help": "the fold for validation"})
    test_fraction: float = field(
        default=0.15, metadata={"help": "of the labelled groups, drawn without split and fold"}
    )
    split_seed: int = field(default=0, metadata={"help": "of that draw"})
    classes: Sequence[str] | None = field(
        default=None, metadata={"help": "some of the classes, in this order"}
    )

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

    @property
    def has_labels(self) -> bool:
        """Whether there is a table, or folders are the classes."""
        return self.labels is not None or self.classes_from == "folders"

    def annotations(self) -> Annotations:
        """Read the table; files that are not in it are unlabelled, for training.

        Raises:
            InputError: If root, table or a file in the table is missing, the table is malformed
                (see `read_label_table`), a chosen class never occurs, a file of a multi-class
                corpus has several labels, or the split is impossible.
        """
        table, task = self._table, self._task
        if task == "multi_class":
            check_one_label(table)
        split_of, classes = self._split, choose_classes(table, self.classes)
        paths = sorted(audio_files(self.folder) | set(table.labels))
        if not paths:
            raise InputError(
                f"{self.folder} has no audio: no file in it ends in one of "
                f"{' '.join(sorted(readable_suffixes()))}; set data.root to another folder, or "
                "convert the files."
            )
        y, mask = targets(table, paths, classes, task)
        groups = np.array(list(groups_by_path(table, paths).values())) if table.group else None
        return Annotations(
            classes=classes,
            paths=tuple(paths),
            y=y,
            mask=mask,
            split=np.array([split_of.get(path, "train") for path in paths]),
            task=task,
            groups=groups,
        )

    def load(self) -> Corpus:
        """Read the table and open the recordings, decoding them if they are not cached."""
        corpus = super().load()
        if unused := sorted(other_audio_files(self.folder)):
            _log.warning("%s", _unused(unused))
        if self._table.labels and self._table.split is None and self.test_fold is None:
            _log.info(
                "no column 'split' and no dataset.test_fold; files drawn for testing with "
                "dataset.split_seed=%d: %d",
                self.split_seed,
                list(self._split.values()).count("test"),
            )
        return corpus

    @cached_property
    def _table(self) -> LabelTable:
        self._check_choices()
        if self.classes_from == "folders":
            return folder_labels(self.folder, audio_files(self.folder))
        if self.labels is None:
            return LabelTable({})
        return read_label_table(
            self.folder / Path(self.labels).expanduser(),
            self.folder,
            self.extra_columns,
            self.columns,
            self.separator,
        )

    @cached_property
    def _split(self) -> dict[str, str]:
        """The split of the files in the table; all others are for training."""
        if self.val_fold is not None and self.test_fold is None:
            raise InputError(
                f"dataset.val_fold={self.val_fold} needs dataset.test_fold, the fold for testing."
            )
        if self.test_fold is not None:
            return fold_split(self._table, self.test_fold, self.val_fold)
        if self._table.split is not None or not self._table.labels:
            return self._table.split or {}
        return drawn_split(self._table, self.test_fraction, self.split_seed)

    @property
    def folds(self) -> tuple[str, ...]:
        """The names of the folds in the table, in order; none without such a column."""
        names = set((self._table.fold or {}).values()) - {""}
        return tuple(sorted(names, key=lambda name: (len(name), name)))

    @property
    def _task(self) -> str:
        by_default = "multi_class" if self.classes_from == "folders" else "multi_label"
        return self.task or by_default

    def _check_choices(self) -> None:
        choices = {"classes_from": ("table", "folders"), "task": ("multi_label", "multi_class")}
        for name, known in choices.items():
            value = getattr(self, name)
            if value is not None and value not in known:
                raise InputError(f"dataset.{name} must be {' or '.join(known)}, got {value!r}.")
        if self.classes_from == "folders":
            for name in _OF_THE_TABLE:
                value = getattr(self, name)
                values = value.values() if isinstance(value, Mapping) else [value]
                if any(given is not None and given not in ((), []) for given in values):
                    raise InputError(
                        f"dataset.{name} is about a table, and dataset.classes_from=folders reads "
                        "none; leave out one of the two."
                    )


def _unused(paths: Sequence[str]) -> str:
    """Return the line about audio files that cannot be read with what is installed."""
    listed = shortened([f"{printable_path(path)} ({Path(path).suffix})" for path in paths])
    files = "file" if len(paths) == 1 else "files"
    return f"{len(paths)} other audio {files} not used: {listed}; to read them: {INSTALL}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the content of a folder and its table, and check that a run can use them."""
    parser = _parser()
    given = gathered(vars(parser.parse_args(arguments)))
    rate, prepare = given.pop("sample_rate"), given.pop("prepare")
    shards, shard_mb = given.pop("shards"), given.pop("shard_mb")
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    with user_errors(), named_as_options(parser):
        check_shards(shards, shard_mb)
        folder = AudioFolder(**given, features=Waveform(rate), unreadable="skip")
        if prepare:
            show_store(folder.prepare_store())
        corpus = folder.load()
        console = Console()
        print_whole(console, corpus_table(corpus))
        for line in _facts(corpus, folder.unreadable_files()):
            console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
        if folder.has_labels:
            check_corpus(corpus)
        else:
            check_clips(corpus)
            console.print(_without_labels(folder), markup=False, highlight=False, soft_wrap=True)
        if shards is not None:
            print(write_corpus(corpus, shards, shard_mb, folder.num_workers))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m musicssl.datasets.audio_folder", description=main.__doc__
    )
    parser.add_argument("--root", required=True, help="folder of the recordings")
    common = {setting.name for setting in fields(Recordings)}
    add_options(parser, [own for own in fields(AudioFolder) if own.name not in common])
    parser.add_argument("--prepare", action="store_true", help=PREPARE)
    add_shards_options(parser)
    parser.add_argument("--sample-rate", type=int, default=16_000, help="of the store, in Hz")
    parser.add_argument("--num-workers", type=int, default=-1, help="processes; -1: one per core")
    parser.add_argument("--cache", default=default_cache(), help="folder of derived data")
    return parser


def _without_labels(folder: AudioFolder) -> str:
    """Explain how to use a folder without labels."""
    root = typed_setting("unlabelled.root", str(folder.root))
    return (
        f"No labels: as a second corpus, type unlabelled=audio_folder {root} "
        "unlabelled.labels=null; for labels, add --labels or --classes-from folders."
    )


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
