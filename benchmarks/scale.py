"""Seconds and memory of each stage of a run, over sizes of the corpus, and how fast they grow.

Clips are noise of 10 instances of 32 features, with 20 labels, in a file of embeddings that is
mapped into memory: a tenth validates, a tenth is tested. ATT trains one epoch in batches of 128.
Each size has a process of its own. Seconds are those of the processor, so that a busy machine does
not change them much.

- start: reading the corpus, drawing splits, building the method;
- epoch, validation: of training; results: testing and what a run leaves in its folder;
- report: of that run;
- memory: the largest private memory before and while training, and from the results on, torch
  included; the file's pages are not counted, as the system drops them where memory is short.

"exponent" is the slope between the two largest sizes in a plot with two logarithmic axes: 1.0 is
linear growth, 0 none. It is below 1 where a constant part is large. "a million clips more" is what
the line through these two sizes adds, and stands for what cannot be tried here.

    python benchmarks/scale.py [--sizes 1000 10000 100000] [--threads 1] [--small]

A million clips need 2 GB of disk: --sizes 10000 100000 1000000.
"""

import contextlib
import io
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from clip_store import peak
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import OmegaConf, open_dict
from rich.console import Console
from rich.table import Table
from rounds import parser, read

from musicssl.cli.fitting import build_trainer, fit_network
from musicssl.cli.run_data import build_datamodule, load_data, made_from
from musicssl.report.__main__ import main as report
from musicssl.runs.folder import RunFolder
from musicssl.runs.results import write_results

ROOT = Path(__file__).resolve().parents[1]
INSTANCES, FEATURES, CLASSES = 10, 32, 20
SECONDS = ("start", "epoch", "validation", "results", "report")
MEMORY = ("memory of training", "memory of results")
SETTINGS = (
    *("dataset=embeddings", "trainer=cpu", "trainer.max_epochs=1", "baselines=false"),
    *("data.batch_size=128", "data.steps_per_epoch=null", "+trainer.enable_progress_bar=false"),
)


def main() -> None:
    """Measure all sizes and print how they compare."""
    arguments = parser(__doc__)
    arguments.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--of", type=Path, help="measure this file alone, and print JSON")
    given = read(arguments, sizes=[200, 400])
    torch.set_num_threads(given.threads)
    if given.of:
        print(json.dumps(measure(given.of)))
        return
    measured = {size: in_a_process(size, given.threads) for size in sorted(given.sizes)}
    show(measured)


def in_a_process(num_clips: int, threads: int) -> dict[str, float]:
    """Make a corpus and measure a run on it in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "clips.npz"
        write_corpus(corpus, num_clips)
        words = ["--threads", str(threads), "--of", str(corpus)]
        command = [sys.executable, str(Path(__file__).resolve()), *words]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def write_corpus(file: Path, num_clips: int) -> None:
    """Write embeddings and labels of a corpus; each class raises the features of its own."""
    rng = np.random.default_rng(0)
    targets = rng.random((num_clips, CLASSES)) < 0.2
    x = rng.standard_normal((num_clips, INSTANCES, FEATURES), np.float32)
    x[:, :, :CLASSES] += targets[:, None]
    tenth = np.arange(num_clips) % 10
    np.savez(
        file,
        embeddings=x,
        clip_ids=np.array([f"clip-{number:09d}" for number in range(num_clips)]),
        targets=targets.astype(np.float32),
        mask=np.ones_like(targets),
        split=np.where(tenth == 0, "val", np.where(tenth == 1, "test", "train")),
        classes=np.array([f"class {number}" for number in range(CLASSES)]),
        task=np.array("multi_label"),
    )


class Clock(pl.Callback):
    """Seconds of the epoch and of its validation."""

    def __init__(self) -> None:
        self.began = {"epoch": 0.0, "validation": 0.0}
        self.seconds = {"epoch": 0.0, "validation": 0.0}

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock of the epoch."""
        self.began["epoch"] = time.process_time()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End the epoch."""
        now = time.process_time()
        self.seconds["epoch"] = now - self.began["epoch"]
        self.began["validation"] = now

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End the validation."""
        self.seconds["validation"] = time.process_time() - self.began["validation"]


def measure(corpus: Path) -> dict[str, float]:
    """Train on a corpus, test, and report; return seconds and megabytes of each stage."""
    runs = corpus.parent / "runs"
    folder = RunFolder(runs / "att")
    config = composed(f"dataset.path={corpus}", folder.path)
    figures: dict[str, float] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        with peak() as memory:
            with timed(figures, "start"):
                datamodule = load_data(config, partial(build_datamodule, config))
                method = instantiate(config.method, **datamodule.sizes)
                datamodule.serve(method.needs)
                settings = OmegaConf.to_container(config, resolve=True)
                made_of = made_from(config, datamodule)
                trainer = build_trainer(config, settings, folder, datamodule, made_of)
            clock = Clock()
            trainer.callbacks.append(clock)
            folder.claim(settings, False, made_of)
            method.learn(
                datamodule,
                partial(fit_network, trainer, config, settings, folder, datamodule, made_of),
            )
        figures |= {**clock.seconds, MEMORY[0]: memory[0]}
        with peak() as memory:
            with timed(figures, "results"):
                write_results(folder, datamodule, method)
            with timed(figures, "report"):
                report([str(runs), "--out", str(corpus.parent / "report")])
        figures[MEMORY[1]] = memory[0]
    return figures


def composed(corpus: str, folder: Path) -> Any:
    """Compose the settings of train.py for a corpus and a folder of the run."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("train", [*SETTINGS, corpus], return_hydra_config=True)
    config.hydra.runtime.output_dir = str(folder)
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config["hydra"]
    return config


@contextlib.contextmanager
def timed(figures: dict[str, float], name: str) -> Iterator[None]:
    """Note the seconds of a block."""
    begin = time.process_time()
    yield
    figures[name] = time.process_time() - begin


def show(measured: Mapping[int, Mapping[str, float]]) -> None:
    """Print what each stage takes at each size, and how it grows."""
    sizes = [f"{size:,} clips" for size in measured]
    growth = ("exponent", "a million clips more") if len(measured) > 1 else ()
    table = Table("", *sizes, *growth, title="One run of ATT, by the size of the corpus")
    for name in (*SECONDS, *MEMORY):
        unit, digits = ("s", 2) if name in SECONDS else ("MB", 0)
        figures = [of[name] for of in measured.values()]
        cells = [f"{figure:.{digits}f} {unit}" for figure in figures]
        if growth:
            (less, more), (low, high) = [*measured][-2:], figures[-2:]
            exponent = math.log(high / low) / math.log(more / less)
            added = 1e6 * (high - low) / (more - less)
            cells += [f"{exponent:.2f}", f"{added:.0f} {unit}"]
        table.add_row(name, *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
