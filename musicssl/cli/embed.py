"""`musicssl embed`: embeddings of recordings by a trained network, in a file."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from musicssl.cli.recordings import (
    add_model_options,
    load_models,
    model_parser,
    show_faults,
    with_progress,
)
from musicssl.errors import InputError, check_output, printable, user_errors
from musicssl.inference.recordings import Recording, clip_ids, find_recordings

if TYPE_CHECKING:
    from musicssl.inference.extraction import Extractor

_EXAMPLES = """examples:
  musicssl embed best.ckpt album/ --out embeddings.npz             one vector of each recording
  musicssl embed best.ckpt album/ --out over_time.npz --time       one of each instance
  musicssl embed best.ckpt album/ --out h.npz --summary mean_max   mean and maximum of each feature
  musicssl embed best.ckpt album/ --out layers.parquet --layers    one of each block of the encoder

Recordings are called by their path inside the folder, as dataset=audio_folder calls them.
docs/embeddings.md describes the files and what to do with them."""
_MOST_PADDING = 0.5  # of a file; the user is warned of more


def main(argv: Sequence[str] | None = None) -> None:
    """Write embeddings of recordings, which need no labels, to a .npz or .parquet file."""
    options = _parser().parse_args(argv)
    with user_errors():
        faults = _embed(options)
    if faults:
        sys.exit(1)


def _embed(options: argparse.Namespace) -> dict[Recording, str]:
    """Embed all recordings; return the faults."""
    from musicssl.datasets.formats.embeddings_file import checked_suffix
    from musicssl.datasets.formats.embeddings_writer import EmbeddingsWriter
    from musicssl.inference.extraction import Extractor

    checked_suffix(options.out)
    check_output(options.out, "--out")
    if options.time and options.summary is not None:
        raise InputError(
            "--time keeps all instances, so that there is no --summary; leave one out."
        )
    recordings = find_recordings(options.audio)
    names = dict(zip(recordings, clip_ids(recordings), strict=True))
    [model] = load_models([options.model], options)
    layers = options.layer if options.layers or options.layer else None
    extractor = Extractor(model, options.time, layers, options.summary or "mean")
    outcomes = extractor.embed_files([recording.path for recording in recordings])
    faults: dict[Recording, str] = {}
    done = with_progress(recordings, outcomes, "embedding", lambda one: float(one.times[-1, 1]))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with EmbeddingsWriter(options.out, options.time, extractor.layers) as file:
        for recording, found in done:
            if isinstance(found, str):
                faults[recording] = found
                continue
            file.widths = extractor.widths
            file.append(names[recording], found.h, found.times if options.time else None)
    _show(options.out, file.lengths, extractor)
    show_faults(faults, len(recordings))
    return faults


def _show(out: Path, lengths: Sequence[int], extractor: "Extractor") -> None:
    if not lengths:
        return
    of_layers = "" if extractor.layers is None else f", {len(extractor.layers)} layers"
    of_time = "" if not extractor.has_time else f", up to {max(lengths):,} instances"
    print(f"Embeddings of {len(lengths):,} clips{of_layers}{of_time}: {printable(str(out))}")
    padding = 1 - sum(lengths) / (len(lengths) * max(lengths))
    if out.suffix == ".npz" and padding > _MOST_PADDING:
        print(
            f"{padding:.0%} of it is padding to the longest clip; .parquet has none, or embed the "
            "longest clips by themselves."
        )


def _parser() -> argparse.ArgumentParser:
    parser = model_parser("embed", main.__doc__, _EXAMPLES)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="the file, .npz or .parquet")
    add("--time", action="store_true", help="keep the instances of a recording, with their times")
    summary = "of the instances of a recording, without --time; by default mean"
    add("--summary", choices=("mean", "mean_max", "mean_std"), help=summary)
    add("--layers", action="store_true", help="each block of the encoder, and its output")
    layer = "a module of the encoder, and the output; repeatable"
    add("--layer", action="append", default=[], metavar="NAME", help=layer)
    add_model_options(parser)
    return parser
