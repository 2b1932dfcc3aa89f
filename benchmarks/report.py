"""Seconds of a report over 500 runs, against only reading the files of these runs.

The runs are made first, in a temporary folder: ten methods, ten fractions of labels, five seeds,
and 2,400 test clips of twenty classes each, as on synthband. A report reads them, groups them,
tests differences, draws and writes, in a process of its own; "reading" parses the files of each run
once in this process. They take turns, so that a busy machine slows both alike; figures are medians.

    python benchmarks/report.py [--methods 10] [--rounds 3] [--threads 1] [--small]
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rounds import parser, read

from musicssl.evaluation.predictions import Predictions
from musicssl.evaluation.statistics.delong import macro_auroc

ROOT = Path(__file__).resolve().parents[1]
CLASSES, TRAIN, SEEDS = 20, 8400, 5
FRACTIONS = [0.01 * 1.6**k for k in range(10)]


@dataclass(frozen=True)
class Truth:
    """Test labels."""

    targets: NDArray[np.float32]
    mask: NDArray[np.bool_]


def write_run(folder: Path, config: Path, method: int, p_s: float, seed: int, truth: Truth) -> None:
    """Write what the report reads of a run, with scores that get better with p_s."""
    folder.mkdir(parents=True)
    settings = yaml.load(config.read_text(), yaml.CSafeLoader)
    settings |= {"name": f"method_{method}", "seed": seed}
    settings["data"] |= {"p_s": p_s, "seed": seed}
    (folder / "config.yaml").write_text(yaml.dump(settings, Dumper=yaml.CSafeDumper))
    rng = np.random.default_rng([method, seed, round(1e6 * p_s)])
    quality = 1 + 0.2 * np.log(p_s) + 0.02 * method + 0.02 * rng.normal()
    logits = max(quality, 0) * truth.targets + rng.normal(size=truth.targets.shape)
    scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
    ids = np.array([f"synthband-{clip:05d}" for clip in range(len(truth.targets))])
    classes = tuple(f"class {c}" for c in range(CLASSES))
    predictions = Predictions(classes, ids, scores, truth.targets, truth.mask)
    predictions.save(folder / "predictions.npz")
    result = macro_auroc(scores, truth.targets >= 0.5, truth.mask)
    document = {
        "macro": {"auroc": result.macro, "average_precision": result.macro, "f1": quality},
        "per_class": {"auroc": result.per_class.tolist()},
        "classes": classes,
        "labels": {"train": TRAIN, "labelled": round(p_s * TRAIN), "lost": []},
        "best_epoch": 40,
        "localisation": None,
    }
    (folder / "metrics.json").write_text(json.dumps(document))


def write_runs(folder: Path, num_methods: int, fractions: list[float], num_clips: int) -> int:
    """Write the runs of all methods, fractions and seeds; return how many."""
    targets = (np.random.default_rng(0).random((num_clips, CLASSES)) < 0.2).astype(np.float32)
    truth = Truth(targets, np.ones(targets.shape, bool))
    resolved = [sys.executable, ROOT / "train.py", "--cfg", "job", "--resolve"]
    config = folder / "resolved.yaml"
    config.write_bytes(subprocess.run(resolved, check=True, stdout=subprocess.PIPE).stdout)
    points = list(itertools.product(range(num_methods), fractions, range(SEEDS)))
    for method, p_s, seed in points:
        run = folder / "runs" / f"method_{method}" / f"p{p_s}_b1.0_s{seed}"
        write_run(run, config, method, p_s, seed, truth)
    return len(points)


def report_on(runs: Path) -> None:
    """Report on the runs in a process of its own."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "musicssl.report", runs, "--out", Path(out) / "report"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def read_files(runs: Path) -> None:
    """Parse every file of the runs."""
    for folder in runs.glob("*/*"):
        yaml.load((folder / "config.yaml").read_text(), yaml.CSafeLoader)
        json.loads((folder / "metrics.json").read_text())
        with np.load(folder / "predictions.npz") as arrays:
            for name in arrays:
                arrays[name]


def seconds(work: Callable[[Path], None], runs: Path) -> float:
    """Time a call."""
    start = time.perf_counter()
    work(runs)
    return time.perf_counter() - start


def main() -> None:
    """Make the runs, measure in turn and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--methods", type=int, default=10)
    arguments.add_argument("--fractions", type=int, default=10)
    arguments.add_argument("--clips", type=int, default=2400, help="test clips")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--threads", type=int, default=1)
    chosen = read(arguments, methods=2, fractions=2, clips=60, rounds=1)
    torch.set_num_threads(chosen.threads)
    os.environ["OMP_NUM_THREADS"] = str(chosen.threads)
    ways = {"report": report_on, "reading": read_files}
    times: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        fractions = FRACTIONS[-chosen.fractions :]
        count = write_runs(folder, chosen.methods, fractions, chosen.clips)
        for _ in range(chosen.rounds):
            for name, way in ways.items():
                times[name].append(seconds(way, folder / "runs"))
    table = Table("", "s", "of reading", title=f"{count} runs, {chosen.threads} thread(s)")
    reading = median(times["reading"])
    for name, values in times.items():
        table.add_row(name, f"{median(values):.2f}", f"{median(values) / reading:.1f} x")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
