"""Clips per second of synthband: each step alone on one core, and all of `prepare` with workers.

All rounds alternate in one process, so that a busy machine slows all of them alike; figures are
medians. "effects" is everything between the parts and the clip: levels, room, tilt and noise.

    python benchmarks/synthband_render.py [--rounds 5] [--clips 200] [--prepared 2000]
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from musicssl.datasets.synthband import Synthband
from musicssl.datasets.synthesis.compose import Part, compose
from musicssl.datasets.synthesis.mix import mix
from musicssl.datasets.synthesis.render import render

Seconds = dict[str, list[float]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clips", type=int, default=200, help="clips for each step")
    parser.add_argument("--prepared", type=int, default=2000, help="clips for all of prepare")
    options = parser.parse_args()
    torch.set_num_threads(1)
    steps(options.clips)  # fills the caches of synthesizers and filters
    prepare(options.prepared, 2)  # starts the workers
    seconds: Seconds = {}
    for _ in range(options.rounds):
        for name, value in steps(options.clips).items():
            seconds.setdefault(name, []).append(value / options.clips)
        for workers in (1, 2):
            value = prepare(options.prepared, workers)
            seconds.setdefault(f"prepare, {workers} worker(s)", []).append(value / options.prepared)
    report(seconds, options.rounds)


def steps(count: int) -> dict[str, float]:
    """Take the seconds of each step on the same clips, with the settings of the corpus."""
    band = Synthband()
    rate, seconds = band.features.sample_rate, band.clip_seconds
    numbers = range(count)
    taken: dict[str, float] = {}

    def score(number: int) -> list[Part]:
        rng = np.random.default_rng([band.seed, number, 0])
        return compose(rng, seconds, band.min_parts, band.max_parts)

    with stopwatch(taken, "compose"):
        scores = [score(number) for number in numbers]
    with stopwatch(taken, "render"):
        sounds = [[render(part, seconds, rate) for part in parts] for parts in scores]
    difficulty = (band.level_range_db, band.effects, band.noise_db)
    with stopwatch(taken, "effects"):
        clips = [
            mix(np.random.default_rng([band.seed, n, 1]), scores[n], sounds[n], rate, *difficulty)
            for n in numbers
        ]
    with stopwatch(taken, "features"):
        for clip in clips:
            band.features(clip)
    return taken


@contextmanager
def stopwatch(taken: dict[str, float], name: str) -> Iterator[None]:
    """Write down how long the block took."""
    start = time.perf_counter()
    yield
    taken[name] = time.perf_counter() - start


def prepare(count: int, workers: int) -> float:
    """Take the seconds of a whole corpus into an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        band = Synthband(num_clips=count, cache=cache, num_workers=workers)
        start = time.perf_counter()
        band.prepare()
        return time.perf_counter() - start


def report(seconds: Seconds, rounds: int) -> None:
    """Print medians, ranges and what 20,000 clips would take."""
    whole = median(seconds["prepare, 1 worker(s)"])
    title = f"synthband, 10 s clips with the default difficulty, {rounds} rounds"
    table = Table("", "clips/s", "range", "of prepare", "20,000 clips", title=title)
    for name, values in seconds.items():
        table.add_row(
            name,
            f"{1 / median(values):.0f}",
            f"{1 / max(values):.0f}-{1 / min(values):.0f}",
            f"{median(values) / whole:.0%}",
            f"{20_000 * median(values):.0f} s",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
