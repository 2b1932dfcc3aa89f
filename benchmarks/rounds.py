"""Timing in rounds: calls take turns, so that a busy machine slows all of them alike."""

import argparse
import time
from collections.abc import Callable, Mapping
from statistics import median

import torch
from rich.console import Console
from rich.table import Table


def options(about: str | None) -> argparse.Namespace:
    """Read `--threads` and `--rounds` from the command line, and keep torch to the former."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=200)
    read = parser.parse_args()
    torch.set_num_threads(read.threads)
    return read


def milliseconds(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time each call once a round, after one that does not count: the first call allocates."""
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(1000 * (time.perf_counter() - start))
    return times


def show(title: str, times: Mapping[str, list[float]], unit: str, whole: float) -> None:
    """Print medians, quartiles and the ratio to what is called `unit`, in milliseconds."""
    table = Table("", "ms", "quartiles", f"of {unit}", title=title)
    for name, values in times.items():
        ordered = sorted(values)
        low, high = ordered[len(values) // 4], ordered[3 * len(values) // 4]
        ratio = f"{median(values) / whole:.2f} x"
        table.add_row(name, f"{median(values):.2f}", f"{low:.2f}-{high:.2f}", ratio)
    Console().print(table)
