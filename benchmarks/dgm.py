"""Twenty M2s in one run against twenty runs of one, and `Trainer.fit` against a bare loop.

First the same work in two ways: steps of forward, backward and Adam on 128 labelled and 128
unlabelled clips of 256 features for each of 20 labels, by models of the default sizes, stacked or
one after the other. Then steps of `method=dgm`, hooks, log and progress included, against a loop
over the same batches with nothing around it. Last what it saves in a step to read the clips once
for both values of a label. What is compared takes turns, so that a busy machine slows both alike;
figures are medians.

    python benchmarks/dgm.py [--threads 1 2] [--rounds 5] [--steps 4]
"""

import argparse
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median

import numpy as np
import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from musicssl.data.corpus import Corpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import Needs
from musicssl.losses.likelihoods import FixedGaussian
from musicssl.methods.base.m2 import Terms
from musicssl.methods.dgm import DeepGenerativeModel
from musicssl.methods.generative.labelwise import ConditionedMLP
from musicssl.methods.generative.training_clips import Answered
from musicssl.runs.progress import EpochProgress
from musicssl.schedules import constant
from musicssl.seeding import StepSeed

logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)

LABELS, FEATURES, INSTANCES, HALF = 20, 128, 10, 128  # HALF: of a label's batch, B_l and B_u
CLIPS = 4000


class Drawn:
    """Random instances, every label observed in half of the clips."""

    def prepare(self) -> None:
        """Nothing is derived."""

    def load(self) -> Corpus:
        """Draw the arrays."""
        rng = np.random.default_rng(0)
        split = np.array(["train"] * CLIPS + ["val"] * 100 + ["test"] * 100)
        return Corpus(
            name="drawn",
            classes=tuple(f"class_{c}" for c in range(LABELS)),
            x=rng.random((len(split), INSTANCES, FEATURES), np.float32),
            y=(rng.random((len(split), LABELS)) < 0.5).astype(np.float32),
            mask=rng.random((len(split), LABELS)) < 0.5,
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


def stepper(num_labels: int, device: torch.device) -> Callable[[], None]:
    """Return one step of so many labels, on clips that stay the same."""
    method = dgm(num_labels).to(device).train()
    learnt = [p for p in method.parameters() if p.requires_grad]
    optimizer = method.optimizer(learnt)
    shape = (num_labels, HALF)
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
    """Weigh the terms as `M2Method.training_step` does where both kinds are as many."""
    return (terms.labelled + terms.unlabelled + method.beta * terms.cross_entropy).sum()


def milliseconds(work: Callable[[], object], device: torch.device) -> float:
    """Time a call."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - start)


def in_turns(
    ways: Mapping[str, Callable[[], object]], device: torch.device, rounds: int
) -> dict[str, float]:
    """Return the median milliseconds of each way, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            times[name].append(milliseconds(way, device))
    return {name: median(values[1:]) for name, values in times.items()}


def stacked(device: torch.device, rounds: int) -> dict[str, float]:
    """Time a step of 20 labels at once, and a step of each of 20 by itself."""
    together = stepper(LABELS, device)
    alone = [stepper(1, device) for _ in range(LABELS)]
    ways = {"together": together, "one by one": lambda: [step() for step in alone]}
    return in_turns(ways, device, rounds)


def read_once(device: torch.device, rounds: int) -> dict[str, float]:
    """Time the encoder of all 20 labels for both values, with each clip read once and twice."""
    network = ConditionedMLP(LABELS, 2, (2 * FEATURES, 512, 256), 128).to(device)
    x = torch.randn(LABELS, HALF, 2 * FEATURES, device=device)
    twice = x[:, None].expand(LABELS, 2, HALF, 2 * FEATURES)

    def both(clips: Tensor) -> None:
        network.zero_grad()
        network.each(clips).sum().backward()

    return in_turns({"once": lambda: both(x), "twice": lambda: both(twice)}, device, rounds)


class StepClock(pl.Callback):
    """Time between the start of the epoch and its end."""

    def on_train_epoch_start(self, *_: object) -> None:
        """Start."""
        self._start = time.perf_counter()

    def on_train_epoch_end(self, *_: object) -> None:
        """Stop."""
        self.milliseconds = 1000 * (time.perf_counter() - self._start)


def fit(datamodule: SemiSupervisedDataModule, steps: int) -> tuple[float, DeepGenerativeModel]:
    """Time some steps of `Trainer.fit`, in milliseconds each, validation left out."""
    clock, method = StepClock(), dgm(LABELS)
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
    trainer.fit(method, datamodule)
    return clock.milliseconds / steps, method


def bare_loop(
    method: DeepGenerativeModel, datamodule: SemiSupervisedDataModule, steps: int
) -> float:
    """Time the same steps with nothing around them, in milliseconds each."""
    method.train()
    optimizer = method.optimizer([p for p in method.parameters() if p.requires_grad])
    plan = datamodule.label_plan()
    plan.rows(0, 0)  # an epoch is drawn at once
    start = time.perf_counter()
    for step in range(steps):
        rows = plan.rows(0, step)
        loss = objective(
            method, method.terms(method.draw(rows.labelled), method.draw(rows.unlabelled))
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return 1000 * (time.perf_counter() - start) / steps


def loops(datamodule: SemiSupervisedDataModule, rounds: int, steps: int) -> tuple[float, float]:
    """Return median milliseconds of a step of `Trainer.fit` and of the bare loop."""
    ours, bare = [], []
    for _ in range(rounds + 1):
        fitted, method = fit(datamodule, steps)
        ours.append(fitted)
        bare.append(bare_loop(method, datamodule, steps))
    return median(ours[1:]), median(bare[1:])


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4)
    chosen = parser.parse_args()
    cpu = torch.device("cpu")
    columns = ("what", "where", "ms", "compared with", "ms", "ratio")
    table = Table(*columns, title=f"dgm, {LABELS} labels, {HALF} + {HALF} clips of each")

    def add(what: str, where: str, ours: float, other: str, theirs: float) -> None:
        table.add_row(what, where, f"{ours:.0f}", other, f"{theirs:.0f}", f"{theirs / ours:.2f} x")

    datamodule = SemiSupervisedDataModule(
        Drawn(), b_s=0.5, batch_size=2 * HALF, needs=Needs(by_label=True)
    )
    datamodule.setup()
    places = [(f"CPU, threads: {n}", cpu, n) for n in chosen.threads]
    if torch.cuda.is_available():
        places.append((torch.cuda.get_device_name(), torch.device("cuda"), 1))
    for where, device, threads in places:
        torch.set_num_threads(threads)
        of_step, of_read = stacked(device, chosen.rounds), read_once(device, chosen.rounds)
        add("step of all labels", where, of_step["together"], "one by one", of_step["one by one"])
        add("clips read once", where, of_read["once"], "for each value", of_read["twice"])
        if device == cpu:
            fitted, bare = loops(datamodule, chosen.rounds, chosen.steps)
            add("Trainer.fit, a step", where, fitted, "bare loop", bare)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
