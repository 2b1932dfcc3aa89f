"""Milliseconds of a SampleCNN training step fed from a clip store, against a batch that lies ready.

Both are the same network, loss, backward and Adam on 16 crops of 3.7 s. "fed" takes each batch from
the loader of the data module, which draws clips and reads crops during the step before; they come
from a temporary store of 200 clips of 29 s of noise. "fixed" trains on one batch again and again.
They take turns, so that a busy machine slows both alike; figures and ratios are of medians. On a
very busy machine only the processor's time can be compared. It counts the reading in full, although
it happens during the step. On a GPU both run in bfloat16, and "GPU busy" is the utilisation that
nvidia-smi reports during the turns of "fed"; use many steps a turn there.

    python benchmarks/samplecnn.py [--device cpu] [--threads 1 2] [--rounds 15] [--steps 1]
        [--small]
"""

import itertools
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from statistics import mean, median

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rounds import parser, read, synchronize

from musicssl.audio.store import ClipStore, build_store
from musicssl.batch import Batch
from musicssl.data.corpus import Corpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.samplecnn import SampleCNN
from musicssl.losses.masked_bce import masked_bce
from musicssl.methods.att import AttentionMIL
from musicssl.networks.pooling import AttentionPooling
from musicssl.schedules import constant

RATE, SECONDS, CROP, SHORT_CROP = 16_000, 29, 59_049, 6_561
CLASSES, HELD_OUT = 50, 10  # clips that validate, and clips that test


def noise(clip_id: str) -> NDArray[np.float32]:
    """Draw the sound of a clip."""
    return np.random.default_rng(int(clip_id)).uniform(-0.5, 0.5, SECONDS * RATE).astype(np.float32)


class StoredNoise:
    """A corpus whose sound lies in a store."""

    def __init__(self, store: ClipStore) -> None:
        self.store = store

    def prepare(self) -> None:
        """The store is made already."""

    def load(self) -> Corpus:
        """Draw labels."""
        clips = len(self.store.lengths)
        split = np.array(["train"] * clips)
        split[-2 * HELD_OUT : -HELD_OUT], split[-HELD_OUT:] = "val", "test"
        return Corpus(
            name="noise",
            classes=tuple(f"class_{c}" for c in range(CLASSES)),
            x=self.store,
            y=(np.random.default_rng(0).random((clips, CLASSES)) < 0.5).astype(np.float32),
            mask=np.ones((clips, CLASSES), dtype=np.bool_),
            split=split,
            clip_ids=np.arange(clips).astype(str),
        )


def training_step(sizes: dict[str, int | str], device: torch.device) -> Callable[[Batch], None]:
    """Return a function that trains SampleCNN on a batch."""
    method = AttentionMIL(
        encoder=SampleCNN,
        pooling=AttentionPooling,
        loss=masked_bce,
        optimizer=partial(torch.optim.Adam, lr=1e-4, fused=True),
        schedule=constant,
        **sizes,
    )
    method.to(device).train()
    optimizer = method.optimizer(method.parameters())

    def step(batch: Batch) -> None:
        clips = batch.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = masked_bce(method(clips), clips.y, clips.mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def endless(datamodule: SemiSupervisedDataModule) -> Iterator[Batch]:
    """Yield the training batches of one epoch after another."""
    loader = datamodule.train_dataloader()
    while True:
        yield from loader


def turn(
    step: Callable[[Batch], None], batches: Iterator[Batch], steps: int, device: torch.device
) -> tuple[float, float]:
    """Time some steps: milliseconds of each, by the clock and of the processor."""
    synchronize(device)
    start, busy = time.perf_counter(), time.process_time()
    for _ in range(steps):
        step(next(batches))
    synchronize(device)
    passed = time.perf_counter() - start, time.process_time() - busy
    return 1000 * passed[0] / steps, 1000 * passed[1] / steps


@contextmanager
def watched_gpu() -> Iterator[list[float]]:
    """Collect, in a thread, the per cent of time in which the GPU computes, by nvidia-smi."""
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    samples: list[float] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(0.1):
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            samples.append(float(answer.stdout.split()[0]))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def measured(
    datamodule: SemiSupervisedDataModule, rounds: int, steps: int, device: torch.device
) -> list[str]:
    """Let both take turns, after one turn of warm-up, and return a row of the table."""
    datamodule.setup()
    step = training_step(datamodule.sizes, device)
    fed = endless(datamodule)
    fixed = itertools.repeat(next(fed).to(device))
    ours, bare, shares = [], [], []
    for _ in range(rounds + 1):
        with watched_gpu() if device.type == "cuda" else nullcontext([]) as samples:
            ours.append(turn(step, fed, steps, device))
        shares += samples
        bare.append(turn(step, fixed, steps, device))
    clock, processor = (
        [median(t[of] for t in turns[1:]) for turns in (ours, bare)] for of in (0, 1)
    )
    return [
        f"{clock[0]:.0f}",
        f"{clock[1]:.0f}",
        f"{clock[1] / clock[0]:.3f} x",
        f"{processor[1] / processor[0]:.3f} x",
        f"{mean(shares):.0f} %" if shares else "",
    ]


def main() -> None:
    """Measure at each number of threads and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--steps", type=int, default=1, help="steps of a turn")
    arguments.add_argument("--batch", type=int, default=16, help="crops of a batch")
    arguments.add_argument("--crop", type=int, default=CROP, help="samples of a crop")
    arguments.add_argument("--clips", type=int, default=200, help="clips in the store")
    chosen = read(arguments, threads=[1], rounds=1, batch=2, crop=SHORT_CROP, clips=30)
    device = torch.device(chosen.device)
    columns = ("threads", "fed, ms", "fixed, ms", "fixed / fed", "processor", "GPU busy")
    table = Table(
        *columns, title=f"SampleCNN step, {chosen.batch} crops of {chosen.crop:,}, {device}"
    )
    with tempfile.TemporaryDirectory() as folder:
        clip_ids = [str(number) for number in range(chosen.clips)]
        store = build_store(Path(folder) / "noise", clip_ids, noise, RATE)
        for threads in chosen.threads:
            torch.set_num_threads(threads)
            datamodule = SemiSupervisedDataModule(
                StoredNoise(store), batch_size=chosen.batch, crop_seconds=chosen.crop / RATE
            )
            row = measured(datamodule, chosen.rounds, chosen.steps, device)
            table.add_row(str(threads), *row)
    Console().print(table)


if __name__ == "__main__":
    main()
