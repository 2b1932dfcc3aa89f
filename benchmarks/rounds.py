"""The command line, the clock and the table that several benchmarks share."""

import argparse
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

CPU = torch.device("cpu")


def parser(about: str | None) -> argparse.ArgumentParser:
    """Return a parser of the command line that prints a docstring as it is written.

    Args:
        about: The docstring of the benchmark.
    """
    return argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def read(arguments: argparse.ArgumentParser, **small: Any) -> argparse.Namespace:
    """Read the command line, on which `--small` replaces the defaults of other options.

    Args:
        arguments: The options of the benchmark; `--small` is added to them.
        small: The values of the options with `--small`, if they are not given as well.
    """
    arguments.add_argument(
        "--small",
        action="store_true",
        help="smallest sizes that run all of the code, as a test of it; the figures mean nothing",
    )
    if arguments.parse_known_args()[0].small:
        arguments.set_defaults(**small)
    return arguments.parse_args()


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done its work; on a CPU there is nothing to wait for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def step_of(method: Any, optimizer: Any, batch: Any) -> Callable[[], None]:
    """Return a call that takes one step of a method on a batch, always the same one."""

    def step() -> None:
        loss = method.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def milliseconds(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    device: torch.device = CPU,
    warm_up: int = 1,
) -> dict[str, list[float]]:
    """Time each call once a round, so that a busy machine slows all of them alike.

    Args:
        calls: What is timed, by name.
        rounds: How often each call is timed.
        device: Where the calls compute; the clock is read when the device has finished.
        warm_up: Rounds before the first that is timed: first calls allocate memory.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(warm_up + rounds):
        for name, call in calls.items():
            synchronize(device)
            start = time.perf_counter()
            call()
            synchronize(device)
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: values[warm_up:] for name, values in times.items()}


def show(
    title: str,
    times: Mapping[str, list[float]],
    unit: str,
    whole: float,
    caption: str | None = None,
) -> None:
    """Print medians, quartiles and the ratio of each median to a reference.

    Args:
        title: Of the table.
        times: Milliseconds, by name.
        unit: Name of the reference.
        whole: Milliseconds of the reference.
        caption: A line under the table.
    """
    table = Table("", "ms", "quartiles", f"of {unit}", title=title, caption=caption)
    for name, values in times.items():
        ordered = sorted(values)
        low, high = ordered[len(values) // 4], ordered[3 * len(values) // 4]
        ratio = f"{median(values) / whole:.2f} x"
        table.add_row(name, f"{median(values):.2f}", f"{low:.2f}-{high:.2f}", ratio)
    Console(width=100).print(table)
