"""Ten seeds of a method trained side by side against the same runs one by one.

The ways take turns in one process on the same random clips; after a round of warm-up, figures are
medians. On a CPU they are seconds of one core that the process had, not those on the clock, which a
busy machine makes useless. A round is an epoch of `--steps` steps of
each run, from its start to its end: forward, backward, optimizer, batches, hooks and log, without
validation and checkpoints, which are the same for all.

- "one by one": `Trainer.fit` of each run.
- "side by side": what `launcher=stacked` does on a CPU, step by step one run after the other.
- "one model": what it does on a GPU, all runs as one batched model.

    python benchmarks/stacked.py [--device cpu] [--batch 32 128] [--runs 10]
        [--rounds 5] [--steps 30] [--small]
"""

import logging
import time
from collections.abc import Sequence
from functools import partial
from statistics import median

import numpy as np
import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.table import Table
from rounds import parser, read, synchronize

from musicssl.data.corpus import Corpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.att import AttEmbedding
from musicssl.encoders.fc import FullyConnected
from musicssl.encoders.fc_t import FullyConnectedPerInstance
from musicssl.losses.masked_bce import masked_bce
from musicssl.methods.att import AttentionMIL
from musicssl.networks.pooling import AttentionPooling, MeanPooling
from musicssl.runs.stacked.fit import Stack
from musicssl.schedules import constant
from musicssl.seeding import StepSeed

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

INSTANCES, FEATURES, CLASSES = 10, 128, 20
NETWORKS = {
    "att": (AttEmbedding, AttentionPooling),
    "fc_t": (FullyConnectedPerInstance, MeanPooling),
    "fc": (FullyConnected, MeanPooling),
}
WAYS = {"one by one": None, "side by side": False, "one model": True}


class Drawn:
    """Random instances, of which a tenth of the labels were observed."""

    def __init__(self, clips: int) -> None:
        rng = np.random.default_rng(0)
        split = np.where(np.arange(clips) < clips - 20, "train", "val")
        split[-10:] = "test"
        self._corpus = Corpus(
            name="drawn",
            classes=tuple(f"class_{c}" for c in range(CLASSES)),
            x=rng.random((clips, INSTANCES, FEATURES), np.float32),
            y=(rng.random((clips, CLASSES)) < 0.5).astype(np.float32),
            mask=rng.random((clips, CLASSES)) < 0.1,
            split=split,
            clip_ids=np.arange(clips).astype(str),
        )

    def prepare(self) -> None:
        """Nothing is derived."""

    def load(self) -> Corpus:
        """Give the arrays."""
        return self._corpus


def clock(device: torch.device) -> float:
    """Return seconds of this process on a CPU, those on the clock on a GPU that has finished."""
    synchronize(device)
    return time.process_time() if device.type == "cpu" else time.perf_counter()


class EpochClock(pl.Callback):
    """Notes when the first epoch of a run begins and when it ends."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def on_train_epoch_start(self, *_: object) -> None:
        """Start."""
        self.start = clock(self._device)

    def on_train_epoch_end(self, *_: object) -> None:
        """Stop."""
        self.end = clock(self._device)


class Run:
    """A run that has not begun."""

    def __init__(self, network: str, corpus: Drawn, batch: int, seed: int, options: "Options"):
        encoder, pooling = NETWORKS[network]
        torch.manual_seed(seed)
        self.method = AttentionMIL(
            encoder=partial(encoder, dropout=0.3),
            pooling=pooling,
            loss=masked_bce,
            optimizer=partial(torch.optim.AdamW, lr=1e-3, weight_decay=1e-2, fused=True),
            schedule=constant,
            num_features=FEATURES,
            num_instances=INSTANCES,
            num_classes=CLASSES,
        )
        self.data = SemiSupervisedDataModule(corpus, batch_size=batch, seed=seed)
        self.clock = EpochClock(options.device)
        self.trainer = pl.Trainer(
            accelerator=options.device.type,
            devices=1,
            max_epochs=1,
            limit_train_batches=options.steps,
            limit_val_batches=0,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            callbacks=[self.clock, StepSeed(seed)],
        )

    def fit(self) -> None:
        """Train."""
        self.trainer.fit(self.method, self.data)


class Options:
    """The command line."""

    def __init__(self, device: str, runs: int, steps: int) -> None:
        self.device = torch.device(device)
        self.runs, self.steps = runs, steps


def seconds(runs: Sequence[Run], batched: bool | None) -> float:
    """Train runs one by one, or as a stack; return the seconds of their epochs."""
    if batched is None:
        for run in runs:
            run.fit()
        return sum(run.clock.end - run.clock.start for run in runs)
    waiting = list(runs)

    def begin_others() -> None:
        while waiting:
            run = waiting.pop(0)
            stack.join(run.trainer)
            run.fit()

    stack = Stack(begin_others, batched)
    begin_others()
    return max(run.clock.end for run in runs) - min(run.clock.start for run in runs)


def measure(network: str, batch: int, rounds: int, options: Options) -> dict[str, float]:
    """Return the median milliseconds of a step of one run, by way."""
    corpus = Drawn(max(300, batch * options.steps + 20))
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(rounds + 1):
        for way, batched in WAYS.items():
            runs = [Run(network, corpus, batch, seed, options) for seed in range(options.runs)]
            taken = seconds(runs, batched)
            if number:
                times[way].append(1000 * taken / options.steps / options.runs)
    return {way: median(values) for way, values in times.items()}


def main() -> None:
    """Measure and print the table."""
    arguments = parser(__doc__)
    arguments.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    arguments.add_argument("--batch", type=int, nargs="+", default=[32, 128])
    arguments.add_argument("--networks", nargs="+", default=[*NETWORKS], choices=[*NETWORKS])
    arguments.add_argument("--runs", type=int, default=10)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--steps", type=int, default=30)
    given = read(arguments, batch=[8], runs=2, rounds=1, steps=2)
    torch.set_num_threads(1)
    options = Options(given.device, given.runs, given.steps)
    table = Table("network", "batch", *WAYS, title=f"ms a step of one of {given.runs} runs")
    for network in given.networks:
        for batch in given.batch:
            taken = measure(network, batch, given.rounds, options)
            whole = taken["one by one"]
            cells = (f"{ms:.2f} ({whole / ms:.2f} x)" for ms in taken.values())
            table.add_row(network, str(batch), *cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
