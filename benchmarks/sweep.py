"""Wall time of a sweep against its runs started one by one from the shell.

Each way trains the same runs in a fresh folder. The ways take turns, so that a busy machine slows
all of them alike; ratios are of medians. The corpus is in the cache beforehand. Each process that
trains has `--threads` threads.

    python benchmarks/sweep.py [--rounds 1] [--jobs 2] [--threads 1] [--small]
        [--overrides sweep=seeds method=att]

The sweep of Figure 5.3, which takes hours on two cores:

    python benchmarks/sweep.py --overrides sweep=label_fraction
"""

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from rich.console import Console
from rich.table import Table
from rounds import parser, read

from musicssl.cli.sweep import axes

ROOT = Path(__file__).resolve().parents[1]
SHORT = ("sweep=seeds", "seed=0,1,2,3", "trainer.max_epochs=5", "data.p_s=0.1")
TINY = (
    *("sweep=seeds", "seed=0,1", "trainer.max_epochs=1"),
    *("dataset.num_clips=60", "baselines=false"),
)
PARALLEL = "launcher=joblib"


def single_runs(overrides: Sequence[str]) -> list[list[str]]:
    """Return the overrides of each run of a sweep."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration("train", list(overrides), RunMode.MULTIRUN)
        varied = axes(config)
    fixed = [item for item in overrides if item.partition("=")[0] not in {"sweep", *varied}]
    values = itertools.product(*varied.values())
    return [[*fixed, *map("=".join, zip(varied, each, strict=True))] for each in values]


def train(folder: Path, overrides: Sequence[str]) -> None:
    """Run train.py in a folder, to its end."""
    command = [sys.executable, str(ROOT / "train.py"), *overrides]
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)


def one_by_one(folder: Path, runs: Sequence[Sequence[str]]) -> None:
    """Start each run when the one before has ended."""
    for run in runs:
        train(folder, run)


def wall_time(work: Callable[[Path], None]) -> float:
    """Return how long work takes in a fresh folder, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        work(Path(folder))
        return time.perf_counter() - start


def main() -> None:
    """Measure and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--jobs", type=int, default=2, help="runs at a time")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--overrides", nargs="+", default=SHORT)
    options = read(arguments, overrides=TINY)
    os.environ.setdefault("MUSICSSL_CACHE", str(ROOT / "cache"))
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    runs = single_runs(options.overrides)
    wall_time(lambda folder: train(folder, [*runs[0], "trainer.max_epochs=1"]))  # fills the cache
    ways: dict[str, Callable[[Path], None]] = {
        "one by one from the shell": lambda folder: one_by_one(folder, runs),
        "sweep": lambda folder: train(folder, options.overrides),
        f"sweep, {options.jobs} at a time": lambda folder: train(
            folder, [*options.overrides, PARALLEL, f"jobs={options.jobs}"]
        ),
    }
    title = f"{len(runs)} runs, {options.rounds} round(s), {options.threads} thread(s) each"
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            times[name].append(wall_time(way))
    report(times, title)


def report(times: dict[str, list[float]], title: str) -> None:
    """Print medians and their ratios to the first way."""
    naive = median(next(iter(times.values())))
    table = Table("", "s", "range", "of one by one", title=title)
    for name, values in times.items():
        spread = f"{min(values):.0f}-{max(values):.0f}"
        table.add_row(name, f"{median(values):.1f}", spread, f"{median(values) / naive:.2f} x")
    Console().print(table)


if __name__ == "__main__":
    main()
