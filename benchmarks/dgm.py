"""Twenty M2s in one run against twenty runs of one, and `Trainer.fit` against a bare loop.

The rows of the table:

- "step of all labels": forward, backward and Adam on 128 labelled and 128 unlabelled clips of 256
  features for each of 20 labels, by models of the default sizes; stacked in one batched model,
  against 20 models one after the other.
- "clips read once": the encoder of all labels, forward and backward, when it reads each clip once
  for both values of a label, against once for each value.
- "Trainer.fit, a step": `method=dgm` with hooks, log and progress, against a loop over the same
  batches with nothing around it.

The two ways of a row take turns, so that a busy machine slows both alike. After some rounds of
warm-up, figures are medians. A round is `--steps` steps of each way. On a GPU the clock is read
when it has finished the round.

    python benchmarks/dgm.py [--device cpu] [--threads 1 2] [--rounds 5] [--steps 4] [--small]
    python benchmarks/dgm.py --device cuda --threads 1 --rounds 20 --steps 16
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from att_training import StepClock
from rich.console import Console
from rich.table import Table
from rounds import milliseconds, parser, read, synchronize
from torch import Tensor

from musicssl.data.corpus import Corpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.losses.likelihoods import FixedGaussian
from musicssl.methods.base.m2 import Terms
from musicssl.methods.dgm import DeepGenerativeModel
from musicssl.methods.generative.labelwise import ConditionedMLP
from musicssl.methods.generative.training_clips import Answered
from musicssl.runs.progress import EpochProgress
from musicssl.schedules import constant
from musicssl.seeding import StepSeed

logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)

FEATURES, INSTANCES = 128, 10
HELD_OUT = 100  # clips that validate, and clips that test


class Sizes(NamedTuple):
    """How large the problem is.

    Attributes:
        labels: Number of labels, M.
        half: Labelled clips in a batch of one label, and unlabelled ones; B_l = B_u.
        clips: Training clips.
    """

    labels: int
    half: int
    clips: int


class Pair(NamedTuple):
    """Median milliseconds of two ways to do the same."""

    ours: float
    theirs: float


class Drawn:
    """Random instances, every label observed in half of the clips."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes

    def prepare(self) -> None:
        """Nothing is derived."""

    def load(self) -> Corpus:
        """Draw the arrays."""
        rng = np.random.default_rng(0)
        labels, clips = self.sizes.labels, self.sizes.clips
        split = np.array(["train"] * clips + ["val"] * HELD_OUT + ["test"] * HELD_OUT)
        return Corpus(
            name="drawn",
            classes=tuple(f"class_{c}" for c in range(labels)),
            x=rng.random((len(split), INSTANCES, FEATURES), np.float32),
            y=(rng.random((len(split), labels)) < 0.5).astype(np.float32),
            mask=rng.random((len(split), labels)) < 0.5,
            split=split,
            clip_ids=np.arange(len(split)).astype(str),
        )


def dgm(num_labels: int) -> DeepGenerativeModel:
    """Build the method as conf/ does."""
    return DeepGenerativeModel(
        likelihood=FixedGaussian(),
        optimizer=partial(torch.optim.Adam, lr=1e-4, weight_decay=1e-5, fused=True),
        schedule=constant,
        num_features=FEATURES,
        num_instances=INSTANCES,
        num_classes=num_labels,
        task="multi_label",
    )


def stepper(num_labels: int, half: int, device: torch.device) -> Callable[[], None]:
    """Return a training step of that many labels, always on the same clips."""
    method = dgm(num_labels).to(device).train()
    learnt = [p for p in method.parameters() if p.requires_grad]
    optimizer = method.optimizer(learnt)
    shape = (num_labels, half)
    y = torch.randint(2, shape, device=device)
    known = torch.ones(shape, dtype=torch.bool, device=device)
    labelled, unlabelled = (
        Answered(torch.randn(*shape, 2 * FEATURES, device=device), y, known) for _ in range(2)
    )

    def step() -> None:
        loss = objective(method, method.terms(labelled, unlabelled))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def objective(method: DeepGenerativeModel, terms: Terms) -> Tensor:
    """Weight the terms as `M2Method.objective` does for as many labelled as unlabelled clips."""
    return (terms.labelled + terms.unlabelled + method.beta * terms.cross_entropy).sum()


def in_turns(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    device: torch.device,
    rounds: int,
    steps: int,
) -> Pair:
    """Time a step of either way."""

    def repeated(way: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(steps):
                way()

        return run

    ways = {"ours": repeated(ours), "theirs": repeated(theirs)}
    warm_up = 3 if device.type == "cuda" else 1
    times = milliseconds(ways, rounds, device, warm_up)
    return Pair(*(median(times[name]) / steps for name in ways))


def stacked(sizes: Sizes, device: torch.device, rounds: int, steps: int) -> Pair:
    """Time a step of all labels at once, against a step of each label separately."""
    together = stepper(sizes.labels, sizes.half, device)
    alone = [stepper(1, sizes.half, device) for _ in range(sizes.labels)]

    def one_by_one() -> None:
        for step in alone:
            step()

    return in_turns(together, one_by_one, device, rounds, steps)


def read_once(sizes: Sizes, device: torch.device, rounds: int, steps: int) -> Pair:
    """Time the encoder of all labels for both values, with each clip read once and twice."""
    network = ConditionedMLP(sizes.labels, 2, (2 * FEATURES, 512, 256), 128).to(device)
    x = torch.randn(sizes.labels, sizes.half, 2 * FEATURES, device=device)
    twice = x[:, None].expand(sizes.labels, 2, sizes.half, 2 * FEATURES)

    def both(clips: Tensor) -> None:
        network.zero_grad()
        network.each(clips).sum().backward()

    return in_turns(lambda: both(x), lambda: both(twice), device, rounds, steps)


def fit(
    datamodule: SemiSupervisedDataModule, steps: int, device: torch.device
) -> tuple[float, DeepGenerativeModel]:
    """Time some steps of `Trainer.fit`, in milliseconds each, validation left out."""
    clock, method = StepClock(device), dgm(len(datamodule.corpus.classes))
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
    trainer.fit(method, datamodule)
    return 1000 * clock.seconds / trainer.global_step, method


def bare_loop(
    method: DeepGenerativeModel,
    datamodule: SemiSupervisedDataModule,
    steps: int,
    device: torch.device,
) -> float:
    """Time the same steps with nothing around them, in milliseconds each."""
    method.to(device).train()  # Lightning leaves it on the CPU
    optimizer = method.optimizer([p for p in method.parameters() if p.requires_grad])
    plan = datamodule.label_plan()
    plan.rows(0, 0)  # an epoch is drawn at once
    synchronize(device)
    start = time.perf_counter()
    for step in range(steps):
        rows = plan.rows(0, step).to(device)
        loss = objective(
            method, method.terms(method.draw(rows.labelled), method.draw(rows.unlabelled))
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    synchronize(device)
    return 1000 * (time.perf_counter() - start) / steps


def loops(sizes: Sizes, device: torch.device, rounds: int, steps: int) -> Pair:
    """Time a step of `Trainer.fit`, against one of the bare loop."""
    datamodule = SemiSupervisedDataModule(
        Drawn(sizes), b_s=0.5, batch_size=2 * sizes.half, needs=DeepGenerativeModel.needs
    )
    datamodule.setup()
    steps = min(steps, datamodule.label_plan().steps_per_epoch)
    ours, bare = [], []
    for _ in range(rounds + 1):
        fitted, method = fit(datamodule, steps, device)
        ours.append(fitted)
        bare.append(bare_loop(method, datamodule, steps, device))
    return Pair(median(ours[1:]), median(bare[1:]))


def main() -> None:
    """Measure and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--steps", type=int, default=4, help="steps of a round")
    arguments.add_argument("--labels", type=int, default=20)
    arguments.add_argument("--half", type=int, default=128, help="labelled clips, and unlabelled")
    arguments.add_argument("--clips", type=int, default=4000, help="training clips")
    chosen = read(arguments, threads=[1], rounds=1, steps=1, labels=3, half=4, clips=40)
    device, sizes = torch.device(chosen.device), Sizes(chosen.labels, chosen.half, chosen.clips)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    table = Table(
        *("threads", "what", "ms", "compared with", "ms", "ratio"),
        title=f"dgm on {name}, {sizes.labels} labels, {sizes.half} + {sizes.half} clips of each",
        caption=f"Medians of {chosen.rounds} rounds of {chosen.steps} steps.",
    )
    for threads in chosen.threads:
        torch.set_num_threads(threads)
        for what, other, measure in ROWS:
            pair = measure(sizes, device, chosen.rounds, chosen.steps)
            times = f"{pair.ours:.2f}", other, f"{pair.theirs:.2f}"
            table.add_row(str(threads), what, *times, f"{pair.theirs / pair.ours:.2f} x")
    Console(width=100).print(table)


ROWS: tuple[tuple[str, str, Callable[[Sizes, torch.device, int, int], Pair]], ...] = (
    ("step of all labels", "one by one", stacked),
    ("clips read once", "once for each value", read_once),
    ("Trainer.fit, a step", "bare loop", loops),
)


if __name__ == "__main__":
    main()
