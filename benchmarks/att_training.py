"""Steps per second of ATT on an OpenMIC-sized array: our `Trainer.fit`, a bare loop, the usual way.

Each round times all of them in turn, in one process, so that a busy machine slows all of them
alike; after one round of warm-up, ratios are of medians. The bare loop trains our model on tensors
that lie on the device, without Lightning and without a loader. The usual way is that of published
code: a map-style Dataset that makes tensors of one clip, a DataLoader with the default collate, and
1x1 convolutions for the layers. With `--device cuda` all of them train on the GPU, and the clock is
read when it has finished.

    python benchmarks/att_training.py [--device cpu] [--threads 2] [--rounds 5] [--steps 117]
        [--small]
"""

import argparse
import logging
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.table import Table
from rounds import parser, read, synchronize
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from musicssl.batch import Batch
from musicssl.data.corpus import Corpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.att import AttEmbedding
from musicssl.losses.masked_bce import masked_bce
from musicssl.methods.att import AttentionMIL
from musicssl.networks.pooling import AttentionPooling
from musicssl.runs.progress import EpochProgress
from musicssl.schedules import constant
from musicssl.seeding import StepSeed

logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)

INSTANCES, FEATURES, CLASSES, BATCH = 10, 128, 20, 128


class OpenMICSized:
    """Random instances in the shape of OpenMIC's training set, a tenth of the cells observed."""

    def __init__(self, clips: int) -> None:
        self.clips = clips

    def prepare(self) -> None:
        """Nothing is derived."""

    def load(self) -> Corpus:
        """Draw the arrays."""
        rng = np.random.default_rng(0)
        extra = 2 * BATCH  # something to validate and test on
        total = self.clips + extra
        split = np.array(["train"] * self.clips + ["val"] * BATCH + ["test"] * BATCH)
        return Corpus(
            name="openmic_sized",
            classes=tuple(f"class_{c}" for c in range(CLASSES)),
            x=rng.random((total, INSTANCES, FEATURES), np.float32),
            y=(rng.random((total, CLASSES)) < 0.5).astype(np.float32),
            mask=rng.random((total, CLASSES)) < 0.1,
            split=split,
            clip_ids=np.arange(total).astype(str),
        )


def att() -> AttentionMIL:
    """Build the method as conf/ does."""
    return AttentionMIL(
        encoder=partial(AttEmbedding, dropout=0.6),
        pooling=AttentionPooling,
        loss=masked_bce,
        optimizer=partial(torch.optim.Adam, lr=5e-4, weight_decay=1e-5, fused=True),
        schedule=constant,
        num_features=FEATURES,
        num_instances=INSTANCES,
        num_classes=CLASSES,
    )


def fit(datamodule: SemiSupervisedDataModule, steps: int, device: torch.device) -> float:
    """Time an epoch of `Trainer.fit`, hooks, log and progress included, validation left out."""
    clock = StepClock(device)
    trainer = pl.Trainer(
        accelerator=device.type,
        devices=1,
        max_epochs=1,
        limit_train_batches=steps,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        callbacks=[clock, StepSeed(0), EpochProgress()],
    )
    trainer.fit(att(), datamodule)
    return trainer.global_step / clock.seconds


class StepClock(pl.Callback):
    """Measures the time from the start of the epoch to its end."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def on_train_epoch_start(self, *_: object) -> None:
        """Start."""
        synchronize(self._device)
        self._start = time.perf_counter()

    def on_train_epoch_end(self, *_: object) -> None:
        """Stop."""
        synchronize(self._device)
        self.seconds = time.perf_counter() - self._start


def bare_loop(x: Tensor, y: Tensor, mask: Tensor, steps: int) -> float:
    """Time a loop of the same model over the same tensors with nothing around it."""
    method, clips, device = att().to(x.device).train(), len(x), x.device
    optimizer = method.optimizer(method.parameters())
    order = torch.randperm(clips, device=device)
    synchronize(device)
    start = time.perf_counter()
    for step in range(steps):
        rows = order[(step * BATCH) % (clips - BATCH) :][:BATCH]
        loss = method.loss(method(Batch(x[rows], y[rows], mask[rows])), y[rows], mask[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    synchronize(device)
    return steps / (time.perf_counter() - start)


class Convolutions(nn.Module):
    """ATT in 1x1 convolutions, clamps and all, as it is usually written."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(FEATURES)
        self.layers = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(FEATURES, FEATURES, 1, bias=False),
                    nn.BatchNorm2d(FEATURES),
                    nn.ReLU(),
                    nn.Dropout(0.6),
                )
                for _ in range(3)
            )
        )
        self.attention = nn.Conv2d(FEATURES, CLASSES, 1)
        self.classifier = nn.Conv2d(FEATURES, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return probabilities, (B, C)."""
        x = x.transpose(1, 2).unsqueeze(-1)  # (B, F, T, 1)
        h = self.layers(self.norm(x)) + x
        attention = self.attention(h).sigmoid().squeeze(-1).clamp(1e-7, 1 - 1e-7)  # (B, C, T)
        weights = attention / attention.sum(dim=2, keepdim=True)
        return (weights * self.classifier(h).sigmoid().squeeze(-1)).sum(dim=2).clamp(0, 1)


class ClipByClip(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """One clip at a time, as tensors made on the way."""

    def __init__(self, x: Tensor, y: Tensor, mask: Tensor) -> None:
        self.x, self.y, self.mask = x.numpy(), y.numpy(), mask.numpy()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        return (
            torch.tensor(self.x[index]),
            torch.tensor(self.y[index]),
            torch.tensor(self.mask[index]),
        )


def usual_way(x: Tensor, y: Tensor, mask: Tensor, steps: int, device: torch.device) -> float:
    """Time the way that is usually written."""
    loader = DataLoader(ClipByClip(x, y, mask), BATCH, shuffle=True)
    model, loss_function = Convolutions().to(device).train(), nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4, weight_decay=1e-5)
    synchronize(device)
    start = time.perf_counter()
    for step, batch in enumerate(loader, start=1):
        inputs, targets, observed = (part.to(device) for part in batch)
        optimizer.zero_grad()
        loss = loss_function(model(inputs)[observed], targets[observed])
        loss.backward()
        optimizer.step()
        if step == steps:
            break
    synchronize(device)
    return step / (time.perf_counter() - start)


def parts_of_a_step(x: Tensor, y: Tensor, mask: Tensor, steps: int) -> dict[str, float]:
    """Time the parts of the bare loop's step, in milliseconds."""
    method = att().to(x.device).train()
    optimizer = method.optimizer(method.parameters())
    rows = torch.randperm(len(x), device=x.device)[:BATCH]
    batch = Batch(x[rows], y[rows], mask[rows])
    times: dict[str, list[float]] = {}

    def clocked(name: str, work: Callable[[], Tensor | None]) -> Tensor | None:
        synchronize(x.device)
        start = time.perf_counter()
        result = work()
        synchronize(x.device)
        times.setdefault(name, []).append(1000 * (time.perf_counter() - start))
        return result

    for _ in range(1 + steps):  # the first does not count: it allocates
        clocked("gather", lambda: x[rows])
        loss = clocked("forward and loss", lambda: method.loss(method(batch), batch.y, batch.mask))
        assert loss is not None
        optimizer.zero_grad()
        clocked("backward", loss.backward)
        clocked("optimizer", optimizer.step)
    return {name: median(values[1:]) for name, values in times.items()}


def main() -> None:
    """Measure and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--steps", type=int, default=117, help="steps of a round")
    arguments.add_argument("--clips", type=int, default=14915, help="training clips")
    options = read(arguments, threads=1, rounds=1, steps=2, clips=300)
    torch.set_num_threads(options.threads)
    device, steps = torch.device(options.device), options.steps
    datamodule = SemiSupervisedDataModule(OpenMICSized(options.clips), batch_size=BATCH)
    datamodule.setup()
    clips = datamodule.clips("train")
    on_host = (clips.x, clips.y, clips.mask)
    on_device = tuple(part.to(device) for part in on_host)
    ways: dict[str, Callable[[], float]] = {
        "Trainer.fit": lambda: fit(datamodule, steps, device),
        "bare loop": lambda: bare_loop(*on_device, steps),
        "usual way": lambda: usual_way(*on_host, steps, device),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(1 + options.rounds):
        for name, way in ways.items():
            speeds[name].append(way())
    timed = {name: values[1:] for name, values in speeds.items()}
    report(timed, parts_of_a_step(*on_device, steps), options)


def report(
    speeds: dict[str, list[float]], parts: dict[str, float], options: argparse.Namespace
) -> None:
    """Print medians, ranges and ratios."""
    ours = median(speeds["Trainer.fit"])
    rounds = f"{options.rounds} rounds of {options.steps} steps"
    title = f"ATT on {options.device}, batch {BATCH}, {options.threads} thread(s), {rounds}"
    step = ", ".join(f"{name} {value:.2f}" for name, value in parts.items())
    caption = f"Median ms of a bare step: {step}."
    table = Table("", "steps/s", "range", "Trainer.fit is", title=title, caption=caption)
    for name, values in speeds.items():
        spread = f"{min(values):.1f}-{max(values):.1f}"
        table.add_row(name, f"{median(values):.1f}", spread, f"{ours / median(values):.2f} x")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
