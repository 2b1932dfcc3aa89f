"""Memory and time of tagging one long recording, against ten minutes of it.

Each row is a process of its own: it loads an untrained network of default size, as
`musicssl.load` does, and predicts one file of 16-bit stereo at 44.1 kHz, block by block as
`musicssl predict` does. "memory" is the largest private memory of the process, torch included;
"more" is what the long file needs beyond the short one of ten minutes: nothing but its scores,
where memory is bounded.

    python benchmarks/long_file.py [--seconds 600 10800] [--networks att crnn] [--threads 2]
        [--small]
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
from clip_store import peak
from predict import NETWORKS, predict_files, untrained
from rich.console import Console
from rich.table import Table
from rounds import parser, read

RATE = 44_100


def main() -> None:
    """Measure all networks, and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=int, nargs=2, default=[600, 10_800])
    arguments.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--of", nargs=2, help="measure this network on this file; print JSON")
    options = read(arguments, seconds=[2, 4], networks=["att"])
    if options.of:
        torch.set_num_threads(options.threads)
        print(json.dumps(measure(options.of[0], Path(options.of[1]))))
        return
    short, long = options.seconds
    title = f"Recordings of {short} s and {long} s, {options.threads} threads"
    table = Table("network", f"{short} s, MB", f"{long} s, MB", "more, MB", "seconds", title=title)
    with tempfile.TemporaryDirectory() as folder:
        paths = [write(Path(folder) / f"{seconds}.flac", seconds) for seconds in (short, long)]
        for name in options.networks:
            least, _ = in_a_process(name, paths[0], options.threads)
            most, seconds = in_a_process(name, paths[1], options.threads)
            figures = (least, most, most - least, seconds)
            table.add_row(name, *(f"{figure:.0f}" for figure in figures))
    Console(width=100).print(table)


def write(path: Path, seconds: int) -> Path:
    """Write a tone under noise, a second at a time."""
    rng = np.random.default_rng(0)
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)[:, None]
    with soundfile.SoundFile(path, "w", RATE, 2, subtype="PCM_16") as file:
        for _ in range(seconds):
            file.write(tone + 0.01 * rng.standard_normal((RATE, 2)))
    return path


def in_a_process(name: str, path: Path, threads: int) -> tuple[float, float]:
    """Return the largest memory in MB and the seconds of a process that predicts a file."""
    command = [sys.executable, __file__, "--of", name, str(path), "--threads", str(threads)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    memory, seconds = json.loads(done.stdout)
    return memory, seconds


def measure(name: str, path: Path) -> tuple[float, float]:
    """Predict a file; return the largest memory in MB, and seconds."""
    model = untrained(name)
    with peak() as highest:
        started = time.perf_counter()
        predict_files(model, [path])
        seconds = time.perf_counter() - started
    return highest[0], seconds


if __name__ == "__main__":
    main()
