"""Clips per second of synthband: each step alone on one core, and all of `prepare` with workers.

Each round times all of them in turn, so that a busy machine slows all of them alike; after one
round of warm-up, figures are medians. "effects" are the levels, room, tilt and noise that make a
clip of the rendered parts. Each process computes on one thread.

    python benchmarks/synthband_render.py [--rounds 5] [--clips 200] [--prepared 2000] [--small]
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rounds import parser, read

from musicssl.datasets.synthband import Synthband
from musicssl.datasets.synthesis.compose import Part, compose
from musicssl.datasets.synthesis.mix import mix
from musicssl.datasets.synthesis.render import render

Seconds = dict[str, list[float]]


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--clips", type=int, default=200, help="clips for each step")
    arguments.add_argument("--prepared", type=int, default=2000, help="clips for all of prepare")
    options = read(arguments, rounds=1, clips=2, prepared=20)
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
    """Return the seconds of each step on the same clips, with the settings of the corpus."""
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
    """Store the seconds that the block takes."""
    start = time.perf_counter()
    yield
    taken[name] = time.perf_counter() - start


def prepare(count: int, workers: int) -> float:
    """Return the seconds in which a whole corpus is prepared in an empty cache."""
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
