"""What the commands that read recordings with trained networks have in common."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

from musicssl.errors import printable
from musicssl.inference.recordings import Recording

if TYPE_CHECKING:
    from musicssl.inference.model import Model

Found = TypeVar("Found")


def model_parser(command: str, description: str | None, examples: str) -> argparse.ArgumentParser:
    """Return the parser of a command that takes a model and recordings."""
    parser = argparse.ArgumentParser(
        prog=f"musicssl {command}",
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", help="a checkpoint, the folder of a run, or what musicssl export wrote")
    add("audio", nargs="+", type=Path, help="recordings, and folders of recordings")
    return parser


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a network is loaded and where it computes."""
    add = parser.add_argument
    student = "the network trained by gradient descent, not its teacher"
    add("--student", action="store_true", help=student)
    add("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    add("--threads", type=int, help="CPU threads of torch; by default one per core")
    add("--batch-size", type=int, default=32, help="chunks of sound that are embedded at a time")
    trusted = "module that your own parts come from; repeatable"
    add("--trusted", action="append", default=[], metavar="MODULE", help=trusted)


def load_models(paths: Sequence[str], options: argparse.Namespace) -> "list[Model]":
    """Load networks as `add_model_options` says."""
    import torch

    from musicssl.cli.devices import device_named
    from musicssl.inference.checkpoints import Which
    from musicssl.inference.loading import describe
    from musicssl.inference.model import Model

    if options.threads is not None:
        torch.set_num_threads(max(1, options.threads))
    device = device_named(options.device)
    which: Which = "student" if options.student else "best"
    return [
        Model(describe(path, options.trusted, which), device, options.trusted, options.batch_size)
        for path in paths
    ]


def with_progress(
    recordings: Sequence[Recording],
    outcomes: Iterator[tuple[Path, Found | str]],
    task: str,
    seconds_of: Callable[[Found], float],
) -> Iterator[tuple[Recording, Found | str]]:
    """Yield what was found for each recording, or what is wrong with it, and show how far it is.

    Args:
        recordings: In order.
        outcomes: As many.
        task: What is being done, such as "predicting".
        seconds_of: Returns the duration of a recording.
    """
    rates = TextColumn("{task.fields[rate]}")
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), rates)
    begun, seconds = time.monotonic(), 0.0
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(task, total=len(recordings), rate="")
        for recording, (_, found) in zip(recordings, outcomes, strict=True):
            yield recording, found
            if not isinstance(found, str):
                seconds += seconds_of(found)
            rate = f"{seconds / max(time.monotonic() - begun, 1e-9):,.0f} s of sound per s"
            progress.update(bar, advance=1, rate=rate)


def show_faults(faults: Mapping[Recording, str], total: int) -> None:
    """List the recordings that cannot be used, if there are any, on standard error."""
    if faults:
        print(f"{len(faults)} of {total} files cannot be used:", file=sys.stderr)
    for recording, cause in faults.items():
        print(f"  {recording.shown} {printable(cause)}", file=sys.stderr)
