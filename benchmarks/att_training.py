"""Steps per second of ATT on an OpenMIC-sized array: our `Trainer.fit`, a bare loop, the usual way.

All rounds alternate in one process, so that a busy machine slows all of them alike; ratios are of
medians. The bare loop trains our model on our tensors without Lightning and without a loader. The
usual way, as the published code does it: a map-style Dataset that makes tensors of one clip, a
DataLoader with the default collate, and 1x1 convolutions for the layers.

    python benchmarks/att_training.py [--threads 2] [--rounds 5] [--steps 117]
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

CLIPS, INSTANCES, FEATURES, CLASSES, BATCH = 14915, 10, 128, 20, 128


class OpenMICSized:
    """Random instances in the shape of OpenMIC's training set, a tenth of the cells observed."""

    def prepare(self) -> None:
        """Nothing is derived."""

    def load(self) -> Corpus:
        """Draw the arrays."""
        rng = np.random.default_rng(0)
        extra = 2 * BATCH  # something to validate and test on
        total = CLIPS + extra
        split = np.array(["train"] * CLIPS + ["val"] * BATCH + ["test"] * BATCH)
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


def fit(datamodule: SemiSupervisedDataModule, steps: int) -> float:
    """Time an epoch of `Trainer.fit`, hooks, log and progress included, validation left out."""
    clock = StepClock()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_train_batches=steps,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        callbacks=[clock, StepSeed(0), EpochProgress()],
    )
    trainer.fit(att(), datamodule)
    return steps / clock.seconds


class StepClock(pl.Callback):
    """Time between the start of the epoch and its end."""

    def on_train_epoch_start(self, *_: object) -> None:
        """Start."""
        self._start = time.perf_counter()

    def on_train_epoch_end(self, *_: object) -> None:
        """Stop."""
        self.seconds = time.perf_counter() - self._start


def bare_loop(x: Tensor, y: Tensor, mask: Tensor, steps: int) -> float:
    """Time a loop of the same model over the same tensors with nothing around it."""
    method = att().train()
    optimizer = method.optimizer(method.parameters())
    order = torch.randperm(CLIPS)
    start = time.perf_counter()
    for step in range(steps):
        rows = order[(step * BATCH) % (CLIPS - BATCH) :][:BATCH]
        loss = method.loss(method(Batch(x[rows], y[rows], mask[rows])), y[rows], mask[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
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
        return CLIPS

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        return (
            torch.tensor(self.x[index]),
            torch.tensor(self.y[index]),
            torch.tensor(self.mask[index]),
        )


def usual_way(x: Tensor, y: Tensor, mask: Tensor, steps: int) -> float:
    """Time the way that is usually written."""
    loader = DataLoader(ClipByClip(x, y, mask), BATCH, shuffle=True)
    model, loss_function = Convolutions().train(), nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4, weight_decay=1e-5)
    start = time.perf_counter()
    for step, (inputs, targets, observed) in enumerate(loader, start=1):
        optimizer.zero_grad()
        loss = loss_function(model(inputs)[observed], targets[observed])
        loss.backward()
        optimizer.step()
        if step == steps:
            break
    return step / (time.perf_counter() - start)


def parts_of_a_step(x: Tensor, y: Tensor, mask: Tensor, steps: int) -> dict[str, float]:
    """Time the parts of the bare loop's step by themselves, in milliseconds."""
    method = att().train()
    optimizer = method.optimizer(method.parameters())
    rows = torch.randperm(CLIPS)[:BATCH]
    batch = Batch(x[rows], y[rows], mask[rows])
    seconds = {"gather": 0.0, "forward and loss": 0.0, "backward": 0.0, "optimizer": 0.0}

    def clocked(name: str, work: Callable[[], Tensor | None]) -> Tensor | None:
        start = time.perf_counter()
        result = work()
        seconds[name] += time.perf_counter() - start
        return result

    for _ in range(steps):
        clocked("gather", lambda: x[rows])
        loss = clocked("forward and loss", lambda: method.loss(method(batch), batch.y, batch.mask))
        assert loss is not None
        optimizer.zero_grad()
        clocked("backward", loss.backward)
        clocked("optimizer", optimizer.step)
    return {name: 1000 * total / steps for name, total in seconds.items()}


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=117)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    datamodule = SemiSupervisedDataModule(OpenMICSized(), batch_size=BATCH)
    datamodule.setup()
    clips = datamodule.clips("train")
    tensors = (clips.x, clips.y, clips.mask)
    ways: dict[str, Callable[[], float]] = {
        "Trainer.fit": lambda: fit(datamodule, options.steps),
        "bare loop": lambda: bare_loop(*tensors, options.steps),
        "usual way": lambda: usual_way(*tensors, options.steps),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            speeds[name].append(way())
    report(speeds, parts_of_a_step(*tensors, options.steps), options)


def report(
    speeds: dict[str, list[float]], parts: dict[str, float], options: argparse.Namespace
) -> None:
    """Print medians, ranges and ratios."""
    ours = median(speeds["Trainer.fit"])
    rounds = f"{options.rounds} rounds of {options.steps} steps"
    title = f"ATT, batch {BATCH}, {options.threads} threads, {rounds}"
    table = Table("", "steps/s", "range", "Trainer.fit is", title=title)
    for name, values in speeds.items():
        spread = f"{min(values):.1f}-{max(values):.1f}"
        table.add_row(name, f"{median(values):.1f}", spread, f"{ours / median(values):.2f} x")
    console = Console()
    console.print(table)
    console.print("A bare step, ms:", {name: round(value, 2) for name, value in parts.items()})


if __name__ == "__main__":
    main()
