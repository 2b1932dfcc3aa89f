"""Seconds from a command to its first batch, with a warm cache: processor time and the clock.

What a process takes to start is paid by each run that is started by itself, and by each test of a
command. "first batch" is `python train.py` on a small synthband that was rendered before, ended
when the batch reaches the network; "import torch" and "import pytorch_lightning" are the floor
under it. Processor time does not depend on what else the machine does, the clock does.

    python benchmarks/start.py [--rounds 5] [--small]
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import pytorch_lightning as pl
from rich.console import Console
from rich.table import Table
from rounds import parser, read

ROOT = Path(__file__).parents[1]
WANTED = 3.0  # seconds to the first batch


class FirstBatch(pl.Callback):
    """Ends the process where the first batch reaches the network."""

    def on_train_batch_start(self, *args: object, **kwargs: object) -> None:
        """Leave at once; nothing of what follows is measured."""
        os._exit(0)


def first_batch(folder: Path, trainer: str) -> list[str]:
    """Return the command of a run that ends at its first batch.

    Args:
        folder: For the rendered corpus and the folder of the run.
        trainer: Option of conf/trainer.
    """
    callback = "+trainer.callbacks=[{_target_:start.FirstBatch}]"
    small = ["dataset.num_clips=60", "trainer.max_steps=1", "data.steps_per_epoch=1"]
    small += ["dataset.num_workers=1"]  # workers would stay when the process has left
    places = [f"data.cache={folder}/cache", f"runs={folder}/runs"]
    return [str(ROOT / "train.py"), f"trainer={trainer}", callback, *small, *places]


def seconds_of(arguments: list[str]) -> tuple[float, float]:
    """Run Python with arguments; return the seconds of processor time, and of the clock."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    path = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled modules are part of a warm cache
    nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([sys.executable, *arguments], env=environment, check=True, **nowhere)
    clock = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock


def measured(
    commands: dict[str, list[str]], rounds: int, warm_up: int = 1
) -> dict[str, tuple[float, float]]:
    """Run each command once a round; return the medians of processor time and clock, by name.

    The first rounds, `warm_up` of them, fill caches and are not counted.
    """
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(warm_up + rounds):
        for name, command in commands.items():
            found[name].append(seconds_of(command))
    return {
        name: (
            median(cpu for cpu, _ in times[warm_up:]),
            median(clock for _, clock in times[warm_up:]),
        )
        for name, times in found.items()
    }


def main() -> None:
    """Measure and print a table."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    options = read(arguments, rounds=1)
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "import musicssl": ["-c", "import musicssl"],
            "import torch": ["-c", "import torch"],
            "import pytorch_lightning": ["-c", "import pytorch_lightning"],
            "train.py --help": [str(ROOT / "train.py"), "--help"],
            "train.py to its first batch": first_batch(Path(folder), "cpu"),
        }
        found = measured(commands, options.rounds, warm_up=0 if options.small else 1)
    table = Table("", "processor, s", "clock, s", "wanted, s")
    for name, (cpu, clock) in found.items():
        wanted = f"{WANTED:g}" if "first" in name else ""
        table.add_row(name, f"{cpu:.2f}", f"{clock:.2f}", wanted)
    Console().print(table)


if __name__ == "__main__":
    main()
