"""`python -m musicssl.datasets.NAME`: count, download and prepare the corpus in a folder."""

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from musicssl.audio.files import audio_files
from musicssl.audio.store import ClipStore
from musicssl.audio.unreadable import printable_path
from musicssl.audio.waveform import Waveform
from musicssl.cache import default_cache
from musicssl.data.corpus import SPLITS, Corpus
from musicssl.datasets.base.options import add_options, gathered, named_as_options
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.base.sharded_corpus import check_shards, write_corpus
from musicssl.errors import printable, user_errors

Column = Callable[[NDArray[np.float32]], str]
_LABELS: Mapping[str, Column] = {
    "observed": lambda observed: str(len(observed)),
    "present": lambda observed: str(np.count_nonzero(observed >= 0.5)),
}
PREPARE = "decode all of it into a clip store; check the store if it exists"
_SHARDS = "write sound and labels into shards, in a folder or at a URL; docs/corpora/shards.md"
Download = Callable[[Path], None]


def corpus_table(corpus: Corpus) -> Table:
    """Tabulate the numbers of observed and of present labels of each class, by split.

    A label of 0.5 or more is present. For a regression the columns are the smallest value, the mean
    and the largest value. Splits without clips are left out; the number in a head is that of the
    split's clips, labelled or not.
    """
    table = Table(title=Text(corpus.name))
    table.add_column("class")
    columns, totals = _VALUES if corpus.task == "regression" else _LABELS, []
    rows: list[list[str]] = [[] for _ in corpus.classes]
    for split in SPLITS:
        clips = corpus.indices(split)
        if len(clips) == 0:
            continue
        y, mask = corpus.y[clips], corpus.mask[clips]
        for word, text in columns.items():
            table.add_column(f"{word}\n{split} {len(clips)}", justify="right")
            for row, values, observed in zip(rows, y.T, mask.T, strict=True):
                row.append(text(values[observed]))
            totals.append(text(y[mask]) if word in _LABELS else "")
    for name, row in zip(corpus.classes, rows, strict=True):
        table.add_row(Text(printable(name)), *row)  # Text: brackets in a name are no markup
    table.add_section()
    table.add_row("all", *totals)
    return table


def corpus_command(
    corpus: type[Recordings],
    arguments: Sequence[str] | None = None,
    download: Download | None = None,
) -> int:
    """Run the command of one corpus.

    It has an option for each setting of the corpus that is not one of `Recordings`.

    Args:
        corpus: Class of the corpus.
        arguments: Arguments of the command line; None for those of the process.
        download: Downloads the corpus into a folder; None if that is not possible.

    Returns:
        The exit status. An error of the user exits the process with status 2.
    """
    parser = _parser(corpus, download)
    given = gathered(vars(parser.parse_args(arguments)))
    root, prepare = Path(given.pop("root")).expanduser(), given.pop("prepare")
    shards, shard_mb = given.pop("shards"), given.pop("shard_mb")
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    with user_errors(), named_as_options(parser):
        check_shards(shards, shard_mb)
        features = Waveform(given.pop("sample_rate"))
        if given.pop("download", False):
            assert download is not None
            root.mkdir(parents=True, exist_ok=True)
            download(root)
        recordings = corpus(root=root, features=features, unreadable="skip", **given)
        if prepare:
            show_store(recordings.prepare_store())
        _show(recordings)
        if shards is not None:
            print(write_corpus(recordings.load(), shards, shard_mb, recordings.num_workers))
    return 0


def add_shards_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that write a corpus into shards."""
    parser.add_argument("--shards", metavar="URL", help=_SHARDS)
    parser.add_argument("--shard-mb", type=float, default=256, help="megabytes of a shard")


def show_store(store: ClipStore) -> None:
    """Print the folder of a clip store and a summary of its content."""
    samples = int(store.lengths.sum())
    print(
        f"Clip store: {len(store.clip_ids)} clips, {samples / store.sample_rate / 3600:.2f} h at "
        f"{store.sample_rate} Hz, {2 * samples / 1e9:.2f} GB, checksums right, in {store.folder}"
    )


def print_whole(console: Console, table: Table) -> None:
    """Print a table in its full width, so that no number is cut off."""
    unbounded = console.options.update(max_width=10_000)
    console.width = max(console.width, Measurement.get(console, unbounded, table).maximum)
    console.print(table, soft_wrap=True)


def _value(statistic: Callable[[NDArray[np.float32]], np.floating]) -> Column:
    return lambda observed: f"{statistic(observed):.4g}" if len(observed) else "–"


def _parser(corpus: type[Recordings], download: Download | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m musicssl.datasets.{corpus.name}",
        description=f"Show the content of a folder of {corpus.name}. If you have none, "
        f"{corpus.get}.",
    )
    parser.add_argument("--root", required=True, help="folder of the corpus, or its parent folder")
    if download is not None:
        parser.add_argument("--download", action="store_true", help="download the corpus first")
    parser.add_argument("--prepare", action="store_true", help=PREPARE)
    add_shards_options(parser)
    parser.add_argument("--sample-rate", type=int, default=16_000, help="of the store, in Hz")
    parser.add_argument("--cache", default=default_cache(), help="folder of derived data")
    parser.add_argument("--num-workers", type=int, default=-1, help="processes; -1: one per core")
    common = {field.name for field in fields(Recordings)}
    add_options(parser, [option for option in fields(corpus) if option.name not in common])
    return parser


def _show(recordings: Recordings) -> None:
    annotations, missing = recordings.found
    corpus = recordings.load()
    unreadable = {
        path: cause for path, cause in recordings.unreadable_files().items() if path not in missing
    }
    console = Console()
    if corpus.classes:
        print_whole(console, corpus_table(corpus))
    named = {*annotations.paths, *missing, *annotations.left_out}
    unused = audio_files(recordings.folder) - named
    lines = [
        f"{len(corpus.clip_ids)} clips: {_split_sizes(corpus)}",
        *_listed("left out because they are broken or wrong", annotations.left_out),
        *_listed("annotated but missing", missing),
        *_listed("cannot be decoded", unreadable),
        f"other audio files, not used: {len(unused)}",
    ]
    for line in lines:
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def _split_sizes(corpus: Corpus) -> str:
    sizes = {split: len(corpus.indices(split)) for split in ("train", "val", "test")}
    return ", ".join(f"{size} {split}" for split, size in sizes.items() if size)


def _listed(title: str, files: Mapping[str, str], limit: int = 10) -> list[str]:
    lines = [f"{title}: {len(files)}"]
    lines += [f"  {printable_path(path)} {cause}" for path, cause in list(files.items())[:limit]]
    if len(files) > limit:
        lines.append(f"  and {len(files) - limit} more")
    return lines


_VALUES: Mapping[str, Column] = {
    "observed": _LABELS["observed"],
    "least": _value(np.min),
    "mean": _value(np.mean),
    "greatest": _value(np.max),
}
