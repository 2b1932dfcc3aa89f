"""Your own audio: a folder of recordings, and a table of labels for some of them.

`python -m musicssl.datasets.audio_folder --root DIR --labels labels.csv` shows what is found.
`musicssl.labels.table` describes the table. A clip is a file. A labelled file is observed
for every class: present if its row names it, absent if not. Files that the table does not name, or
whose label is empty, are unlabelled and train.
"""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from musicssl.audio.decode import AUDIO_SUFFIXES, read_audio
from musicssl.audio.files import audio_files
from musicssl.audio.instances import InstanceStore, instance_store
from musicssl.command_line import user_errors
from musicssl.corpus import Corpus, check_corpus
from musicssl.corpus_table import corpus_table
from musicssl.errors import InputError
from musicssl.features.log_mel import LogMel
from musicssl.labels.held_out import drawn_split, fold_split, groups_by_path
from musicssl.labels.table import LabelTable, read_label_table
from musicssl.labels.targets import choose_classes, targets

_SHOWN = 10  # names in a message; the rest is counted
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AudioFolder:
    """A corpus made of a user's own files, searched recursively; hidden files are passed over.

    Attributes:
        root: Folder of the recordings.
        labels: The table, relative to `root` or absolute; None if there is none.
        features: Turns a recording into instances, at its own sample rate.
        cache: Folder in which the instances of all files are kept.
        unreadable: What to do about files that cannot be decoded or are too short for an instance:
            "error" refuses the folder and lists them, "skip" leaves them out and says so.
        extra_columns: Columns of the table to leave unread; any other unknown one is an error.
        test_fold: The fold that tests, the others train; goes before a column `split`.
        test_fraction: Share of the labelled groups drawn for testing, where the table has neither
            a column `split` nor a `test_fold` is chosen.
        split_seed: Of that draw. Not the seed of a run, so that all runs share a test set.
        classes: The classes and their order; None for all of the table, sorted. A file labelled
            with other classes only is one in which none of these is present.
        max_seconds: Use only so much from the start of each file. None uses all: files may have
            any length, and the array in the cache is padded to the longest.
        num_workers: Processes that decode; -1 for one per core.
    """

    root: str | Path | None
    labels: str | Path | None
    features: LogMel
    cache: str | Path
    unreadable: Literal["error", "skip"] = "error"
    extra_columns: Sequence[str] = ()
    test_fold: int | str | None = None
    test_fraction: float = 0.15
    split_seed: int = 0
    classes: Sequence[str] | None = None
    max_seconds: float | None = None
    num_workers: int = -1

    def prepare(self) -> None:
        """Decode all files into the cache, unless that was done.

        Raises:
            InputError: As `load` does, but for unreadable files.
        """
        table, _, _ = self._read()  # mistakes are told before hours of decoding
        self._stored(table)

    def load(self) -> Corpus:
        """Read the table and open the instances, decoding what is not in the cache.

        Raises:
            InputError: If root, table or a file that the table names is missing, the table is
                malformed (see `read_label_table`), a class that was asked for never occurs, the
                split cannot be made, or a file is unreadable and the policy is "error".
        """
        table, split_of, classes = self._read()
        store = self._stored(table)
        self._apply_policy(store)
        if table.split is None and self.test_fold is None:
            _log.info(
                "no column 'split' and no dataset.test_fold; files drawn for testing with "
                "dataset.split_seed=%d: %d",
                self.split_seed,
                list(split_of.values()).count("test"),
            )
        y, mask = targets(table, store.clip_ids, classes)
        lengths = store.lengths if (store.lengths < store.x.shape[1]).any() else None
        groups = list(groups_by_path(table, store.clip_ids).values()) if table.group else None
        return Corpus(
            name="audio_folder",
            classes=classes,
            x=store.x,
            y=y,
            mask=mask,
            split=np.array([split_of.get(clip, "train") for clip in store.clip_ids]),
            clip_ids=np.array(store.clip_ids),
            lengths=lengths,
            groups=None if groups is None else np.array(groups),
            instance_seconds=self.features.instance_seconds,
        )

    def audio(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """Decode one file, (S,) mono; its clip_id is its path relative to `root`."""
        rate = self.features.sample_rate
        return read_audio(self._folder / clip_id, rate, self.max_seconds), rate

    def unreadable_files(self) -> dict[str, str]:
        """Name the files that have no instances, and what is wrong with each, whatever the policy.

        Raises:
            InputError: As `load` does, but for unreadable files.
        """
        return self._stored(self._read()[0]).unreadable

    @property
    def _folder(self) -> Path:
        if self.root is None:
            raise InputError("data.root is not set; set it to the folder that holds your audio.")
        folder = Path(self.root).expanduser()
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder; set data.root to the one of your audio.")
        return folder

    def _read(self) -> tuple[LabelTable, dict[str, str], tuple[str, ...]]:
        """Read and check all that needs no decoding: the table, its splits and the classes."""
        self._check_settings()
        table = LabelTable({})
        if self.labels is not None:
            file = self._folder / Path(self.labels).expanduser()
            table = read_label_table(file, self.extra_columns)
            _check_present(self._folder, table)
        return table, self._split(table), choose_classes(table, self.classes)

    def _check_settings(self) -> None:
        if self.unreadable not in ("error", "skip"):
            raise InputError(f"dataset.unreadable must be error or skip, got {self.unreadable!r}.")
        if self.max_seconds is not None and self.max_seconds <= 0:
            raise InputError(f"dataset.max_seconds must be positive, got {self.max_seconds:g}.")
        if self.num_workers == 0:
            raise InputError("dataset.num_workers must not be 0; -1 means one process per core.")

    def _split(self, table: LabelTable) -> dict[str, str]:
        """Decide the split of the files in the table; all others train."""
        if self.test_fold is not None:
            return fold_split(table, self.test_fold)
        if table.split is not None or not table.labels:
            return table.split or {}
        return drawn_split(table, self.test_fraction, self.split_seed)

    def _apply_policy(self, store: InstanceStore) -> None:
        """Stop at files that have no instances, or say that they are left out."""
        if not store.unreadable:
            return
        count = len(store.unreadable) + len(store.clip_ids)
        listed = _some([f"{path} {cause}" for path, cause in store.unreadable.items()])
        found = f"{len(store.unreadable)} of {count} files under {self.root} cannot be used"
        if self.unreadable == "error":
            raise InputError(
                f"{found}: {listed}; mend or remove them, or leave them out with "
                f"dataset.unreadable=skip (all are listed in {store.folder / 'index.json'})."
            )
        _log.warning("%s and are skipped: %s", found, listed)

    def _stored(self, table: LabelTable) -> InstanceStore:
        root = self._folder
        clip_ids = sorted(audio_files(root) | set(table.labels))
        if not clip_ids:
            raise InputError(
                f"{root} holds no audio: no file in it ends in one of "
                f"{' '.join(sorted(AUDIO_SUFFIXES))}; point data.root elsewhere or convert them."
            )
        cache = Path(self.cache).expanduser()
        return instance_store(
            root, clip_ids, self.features, cache, self.max_seconds, self.num_workers
        )


def _check_present(root: Path, table: LabelTable) -> None:
    absent = [path for path in table.labels if not (root / path).is_file()]
    if absent:
        raise InputError(
            f"{len(absent)} of the {len(table.labels)} files in the table of labels are not under "
            f"{root}: {_some(absent)}; add them, remove their rows or set data.root to the folder "
            "that the paths start from."
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def main(arguments: Sequence[str] | None = None) -> int:
    """Show what a folder and its table hold, and whether it can be learnt from."""
    parser = argparse.ArgumentParser(
        prog="python -m musicssl.datasets.audio_folder", description=main.__doc__
    )
    parser.add_argument("--root", required=True, help="folder of the recordings")
    parser.add_argument("--labels", help="table of labels, relative to the root or absolute")
    parser.add_argument("--extra-columns", nargs="*", default=[], help="columns to leave unread")
    parser.add_argument("--test-fold", help="the fold that tests")
    parser.add_argument("--cache", default="cache", help="folder of derived data")
    given = vars(parser.parse_args(arguments))
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    with user_errors():
        folder = AudioFolder(**given, features=LogMel(), unreadable="skip")
        corpus = folder.load()
        console = Console()
        console.print(corpus_table(corpus))
        for line in _facts(corpus, folder.unreadable_files()):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        check_corpus(corpus)
    return 0


def _facts(corpus: Corpus, unreadable: Mapping[str, str]) -> list[str]:
    """Say in lines what the table of classes does not."""
    labelled = int(corpus.mask.any(axis=1).sum())
    lines = [f"{labelled} labelled clips, {len(corpus.clip_ids) - labelled} unlabelled"]
    if corpus.groups is not None:
        groups = np.unique(corpus.groups)
        torn = sum(len(np.unique(corpus.split[corpus.groups == group])) > 1 for group in groups)
        lines.append(f"{len(groups)} groups, {torn} of them in more than one split")
    lines.append(f"files that cannot be used: {len(unreadable)}")
    return lines + [f"  {path} {cause}" for path, cause in unreadable.items()]


if __name__ == "__main__":
    sys.exit(main())
