"""OpenMIC-2018: which of twenty instruments play in ten seconds of music, few of them observed.

Humphrey, Durand and McFee, ISMIR 2018; https://zenodo.org/record/1432913 (CC BY 4.0; the licences
of the single recordings are in its metadata file). 20,000 clips with ten VGGish vectors of bytes
each: 14,915 for training and 5,085 for the test, no artist in both, no official validation set.

The folder as its archive unpacks, with the files that may be absent in brackets:

    openmic-2018/
      class-map.json                       instrument -> column
      openmic-2018.npz                     X, Y_true, Y_mask, sample_key
      openmic-2018-aggregated-labels.csv   sample_key, instrument, relevance, num_responses
      partitions/split01_{train,test}.csv  or {train,test}01.txt: a key per line, no header
      [openmic-2018-metadata.csv]          of the Free Music Archive; its artist_id groups the clips
      [audio/000/000046_3840.ogg]          audio/{key[:3]}/{key}.ogg

The rows of the npz are those of the sorted keys. Its `sample_key` is a pickle and is never loaded:
the keys come from the partitions, and that the rows are theirs is checked by the labels, which the
CSV and the npz both hold. Where two lines of the CSV rate the same instrument of a clip, the later
one counts, as in the script that made the npz.

Errata (README of the corpus): ten FMA sources were corrupt when the labels were collected (071826,
071827, 087435, 095253, 095259, 095263, 102144, 113025, 113604, 138485). The three labels that this
made wrong were corrected to "present" by its authors: piano in 095253_134400, mallet_percussion in
095263_96000, trumpet in 113025_99840. Nothing is changed here.

`python -m musicssl.datasets.openmic --root DIR [--download]` gets the corpus and counts it.
"""

import argparse
import csv
import io
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from musicssl.audio.decode import read_audio
from musicssl.command_line import user_errors
from musicssl.corpus import Corpus
from musicssl.corpus_table import corpus_table
from musicssl.download import Archive, fetch, unpack
from musicssl.errors import InputError

ARCHIVE = Archive(
    url="https://zenodo.org/record/1432913/files/openmic-2018-v1.0.0.tgz",
    md5="e4ccf187e2bb5ab2e115416e8aafe7f4",
)
FOLDER = "openmic-2018"
CLASS_MAP = "class-map.json"
FEATURES = "openmic-2018.npz"
LABELS = "openmic-2018-aggregated-labels.csv"
METADATA = "openmic-2018-metadata.csv"

CLASSES = (
    "accordion",
    "banjo",
    "bass",
    "cello",
    "clarinet",
    "cymbals",
    "drums",
    "flute",
    "guitar",
    "mallet_percussion",
    "mandolin",
    "organ",
    "piano",
    "saxophone",
    "synthesizer",
    "trombone",
    "trumpet",
    "ukulele",
    "violin",
    "voice",
)
INSTANCE_SHAPE = (10, 128)  # (T, F)
INSTANCE_SECONDS = 0.96
SAMPLE_RATE = 16_000  # Hz, that of VGGish
SCALINGS = {"unit": (0, 255), "centred": (128, 256)}  # x -> (x - offset) / scale

_DOWNLOAD = "python -m musicssl.datasets.openmic --root {} --download"
_AGAIN = f"move the folder away and get the corpus again with `{_DOWNLOAD.format('DIR')}`"


@dataclass(frozen=True)
class OpenMIC:
    """OpenMIC-2018 as published: VGGish instances and the labels that people gave.

    Attributes:
        root: The folder that holds `openmic-2018`, or that folder itself.
        scaling: Of the bytes: "unit" is x / 255 as in AttentionMIC, "centred" is (x - 128) / 256
            as in EAsT.
        labels: "csv" reads the aggregated labels and checks that the npz holds the same;
            "npz" reads `Y_true` and `Y_mask` and needs no CSV, so nothing shows whether the rows
            of the npz are in the order of the keys.
        threshold: An observed instrument is present if its relevance is at least this, in (0, 1].
            Relevance is 0.5 plus or minus half the confidence in the majority's answer; the
            authors' notebook has 0.5 as well.
    """

    root: Path | str | None
    scaling: str = "unit"
    labels: str = "csv"
    threshold: float = 0.5

    @property
    def folder(self) -> Path:
        """The folder of the corpus.

        Raises:
            InputError: If there is none.
        """
        if not self.root:
            raise InputError(
                "OpenMIC-2018 needs data.root=DIR, the folder that holds it; download it with "
                f"`{_DOWNLOAD.format('DIR')}`."
            )
        root = Path(self.root).expanduser()
        if (root / FOLDER).is_dir():
            return root / FOLDER
        if any((root / name).exists() for name in (CLASS_MAP, FEATURES, LABELS, "partitions")):
            return root
        raise InputError(
            f"there is no {FOLDER} in {root}; download it with `{_DOWNLOAD.format(root)}`."
        )

    def prepare(self) -> None:
        """Do nothing: the corpus ships its features, and reading them takes a second."""

    def check_complete(self) -> None:
        """Look for the files that `load` reads.

        Raises:
            InputError: If one is missing.
        """
        folder = self.folder
        names = [CLASS_MAP, FEATURES, *([LABELS] if self.labels == "csv" else [])]
        missing = [name for name in names if not (folder / name).is_file()]
        for split in ("train", "test"):
            if not any(path.is_file() for path in _partition_paths(folder, split)):
                missing.append(f"partitions/split01_{split}.csv")
        if missing:
            raise InputError(
                f"{folder} is incomplete, it lacks {', '.join(missing)}; move the folder away and "
                f"get the corpus again with `{_DOWNLOAD.format(self.root)}`."
            )

    def load(self) -> Corpus:
        """Read the corpus; its clips are in the order of their sorted keys.

        Raises:
            InputError: If an option is unknown, a file is missing or damaged, or the files do not
                belong together.
        """
        self._check_options()
        self.check_complete()
        folder = self.folder
        _check_class_map(folder / CLASS_MAP)
        split_of = _read_partitions(folder)
        keys = sorted(split_of)
        codes, relevance, mask = _read_npz(folder / FEATURES, len(keys))
        if self.labels == "csv":
            rated, observed = _read_labels(folder / LABELS, keys)
            _check_same(rated, observed, relevance, mask, keys)
            relevance, mask = rated, observed
        offset, scale = SCALINGS[self.scaling]
        return Corpus(
            name="openmic",
            classes=CLASSES,
            x=_scaled(codes, offset, scale),
            y=((relevance >= self.threshold) & mask).astype(np.float32),
            mask=mask,
            split=np.array([split_of[key] for key in keys]),
            clip_ids=np.array(keys),
            groups=_read_artists(folder / METADATA, keys),
            instance_seconds=INSTANCE_SECONDS,
        )

    def audio(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """Decode one clip.

        Args:
            clip_id: Its sample key: the FMA track in six digits, "_", the start in milliseconds.

        Returns:
            The sound, (S,) mono in [-1, 1], and its sample rate, 16,000 Hz.

        Raises:
            InputError: If its file is missing or cannot be decoded.
        """
        path = _audio_path(self.folder, clip_id)
        if not path.is_file():
            raise InputError(f"clip {clip_id!r} has no sound, {path} is missing; {_AGAIN}.")
        return read_audio(path, SAMPLE_RATE), SAMPLE_RATE

    def _check_options(self) -> None:
        if self.scaling not in SCALINGS:
            raise InputError(f"dataset.scaling is unit or centred, not {self.scaling!r}.")
        if self.labels not in ("csv", "npz"):
            raise InputError(f"dataset.labels is csv or npz, not {self.labels!r}.")
        if not 0 < self.threshold <= 1:
            raise InputError(
                f"dataset.threshold is a relevance in (0, 1], not {self.threshold}; try 0.5."
            )


def download(root: Path, archive: Archive = ARCHIVE) -> None:
    """Get the corpus as `root/openmic-2018`; do nothing if it is there.

    Raises:
        InputError: As `musicssl.download.fetch` and `unpack`, or if that folder is incomplete.
    """
    if (root / FOLDER).is_dir():
        OpenMIC(root).check_complete()
        return
    file = fetch(archive, root)
    unpack(file, root / FOLDER)
    print(f"unpacked as {root / FOLDER}; {file} is no longer needed")


def show(root: Path) -> None:
    """Print what is in the corpus and which of its optional files are missing."""
    dataset = OpenMIC(root)
    corpus = dataset.load()
    Console().print(corpus_table(corpus))
    print(f"folder: {dataset.folder}")
    print(
        "clips:", ", ".join(f"{len(corpus.indices(split))} {split}" for split in ("train", "test"))
    )
    if corpus.groups is None:
        print(f"artists: unknown, {METADATA} is missing; a validation set will ignore them")
    else:
        print(f"artists: {len(np.unique(corpus.groups))}")
    heard = sum(_audio_path(dataset.folder, key).is_file() for key in corpus.clip_ids)
    print(f"audio: {heard} of {len(corpus.clip_ids)} clips")


def main(argv: Sequence[str] | None = None, archive: Archive = ARCHIVE) -> None:
    """Run the command line; what the user can mend is one line and exit status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m musicssl.datasets.openmic", description="Get OpenMIC-2018 and count it."
    )
    parser.add_argument("--root", type=Path, required=True, help="the folder to hold openmic-2018")
    parser.add_argument("--download", action="store_true", help="get it first; goes on if stopped")
    options = parser.parse_args(argv)
    with user_errors():
        if options.download:
            download(options.root, archive)
        show(options.root)


def _partition_paths(folder: Path, split: str) -> tuple[Path, Path]:
    partitions = folder / "partitions"  # the archive has the first name, its README the second
    return partitions / f"split01_{split}.csv", partitions / f"{split}01.txt"


def _audio_path(folder: Path, key: str) -> Path:
    return folder / "audio" / key[:3] / f"{key}.ogg"


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); {_AGAIN}.") from error


def _check_class_map(path: Path) -> None:
    try:
        class_map = json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is damaged ({error}); {_AGAIN}.") from error
    if class_map != {name: column for column, name in enumerate(CLASSES)}:
        raise InputError(f"{path} does not hold the 20 classes of OpenMIC-2018; {_AGAIN}.")


def _read_partitions(folder: Path) -> dict[str, str]:
    """Read which split each clip is in."""
    split_of: dict[str, str] = {}
    for split in ("train", "test"):
        path = next(path for path in _partition_paths(folder, split) if path.is_file())
        keys = _read_text(path).split()
        if not keys:
            raise InputError(f"{path} is empty; {_AGAIN}.")
        for key in keys:
            if key in split_of:
                raise InputError(f"{path} names clip {key!r}, which is already used; {_AGAIN}.")
            split_of[key] = split
    return split_of


def _read_npz(
    path: Path, num_clips: int
) -> tuple[NDArray[np.integer[Any]], NDArray[np.float64], NDArray[np.bool_]]:
    """Read the bytes, (N, 10, 128), the relevance and whether it was observed, both (N, 20)."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as npz:
            # members are read when asked for, and nobody asks for sample_key
            codes, relevance, mask = npz["X"], npz["Y_true"], npz["Y_mask"]
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, zlib.error) as error:
        raise InputError(f"{path} is damaged ({error}); {_AGAIN}.") from error
    if len(codes) != num_clips:
        raise InputError(
            f"{path} holds {len(codes)} clips where the partitions name {num_clips}; {_AGAIN}."
        )
    labels_shape = (num_clips, len(CLASSES))
    for name, array, shape, kind in (
        ("X", codes, (num_clips, *INSTANCE_SHAPE), np.integer),
        ("Y_true", relevance, labels_shape, np.floating),
        ("Y_mask", mask, labels_shape, np.bool_),
    ):
        if array.shape != shape or not np.issubdtype(array.dtype, kind):
            raise InputError(
                f"{path}: {name} is {array.dtype} of shape {array.shape}, not {kind.__name__} of "
                f"shape {shape}; {_AGAIN}."
            )
    for name, array, top in (("X", codes, 255), ("Y_true", relevance, 1)):
        if not (array.min() >= 0 and array.max() <= top):  # not: NaN fails too
            raise InputError(f"{path}: {name} has values outside of 0 to {top}; {_AGAIN}.")
    return codes, relevance, mask


def _read_labels(path: Path, keys: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read the relevance, 0.5 where unobserved, and whether it was observed, both (N, 20)."""
    row_of = {key: row for row, key in enumerate(keys)}
    column_of = {name: column for column, name in enumerate(CLASSES)}
    relevance = np.full((len(keys), len(CLASSES)), 0.5)
    mask = np.zeros(relevance.shape, dtype=bool)
    for number, line in _csv_lines(path, ("sample_key", "instrument", "relevance")):
        key, instrument, text = line["sample_key"], line["instrument"], line["relevance"]
        value = _relevance(text)
        if key not in row_of or instrument not in column_of or value is None:
            raise InputError(
                f"line {number} of {path} has no known clip, instrument and relevance in [0, 1] "
                f"but {key!r}, {instrument!r}, {text!r}; {_AGAIN}."
            )
        cell = row_of[key], column_of[instrument]
        relevance[cell], mask[cell] = value, True
    return relevance, mask


def _relevance(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def _read_artists(path: Path, keys: Sequence[str]) -> NDArray[np.str_] | None:
    """Read the artist of each clip, (N,), or None if the file is absent."""
    if not path.is_file():
        return None
    artist_of = {
        line["sample_key"]: line["artist_id"]
        for _, line in _csv_lines(path, ("sample_key", "artist_id"))
    }
    unknown = [key for key in keys if not artist_of.get(key)]
    if unknown:
        raise InputError(
            f"{path} names no artist for {len(unknown)} of {len(keys)} clips, {unknown[0]!r} being "
            "the first; complete it, or remove it to do without artists."
        )
    return np.array([artist_of[key] for key in keys])


def _csv_lines(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str | None]]]:
    """Read the lines of a CSV file with their numbers; a line cut short has None at its end."""
    reader = csv.DictReader(io.StringIO(_read_text(path), newline=""))
    absent = sorted(set(columns) - set(reader.fieldnames or ()))
    if absent:
        raise InputError(f"{path} has no column {absent[0]!r}; {_AGAIN}.")
    return [(reader.line_num, line) for line in reader]


def _check_same(
    rated: NDArray[np.float64],
    observed: NDArray[np.bool_],
    relevance: NDArray[np.float64],
    mask: NDArray[np.bool_],
    keys: Sequence[str],
) -> None:
    """Check the labels of the CSV, `rated` and `observed`, against those of the npz."""
    same = (observed == mask) & (~mask | (np.abs(rated - relevance) < 1e-6))
    if not same.all():
        row, column = np.argwhere(~same)[0]
        raise InputError(
            f"{LABELS} and {FEATURES} disagree in {(~same).sum()} labels, {CLASSES[column]!r} of "
            f"clip {keys[row]!r} being the first, so they do not belong together; {_AGAIN}, or "
            "take those of the npz with dataset.labels=npz."
        )


def _scaled(codes: NDArray[np.integer[Any]], offset: int, scale: int) -> NDArray[np.float32]:
    """Compute (x - offset) / scale in float32, without a copy of the int64 array."""
    x: NDArray[np.float32] = np.subtract(codes, offset, dtype=np.float32, casting="unsafe")
    x /= scale
    return x


if __name__ == "__main__":
    main()
