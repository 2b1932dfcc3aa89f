"""Milliseconds that the views of a batch take, against a training step of ATT on the same batch.

Each round times all of them in turn, in one process, so that a busy machine slows all of them
alike; the table has medians. Views and step get the same 192 clips of 10 x 128 features. The step
is forward, loss, backward and optimizer of the supervised method, without Lightning.

    python benchmarks/augment.py [--threads 1] [--rounds 200] [--small]
"""

from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from att_training import CLASSES, FEATURES, INSTANCES, att
from hydra.utils import instantiate
from omegaconf import OmegaConf
from rounds import milliseconds, parser, read, show
from torch import Tensor

from musicssl.augment.instances.shuffle import Shuffle
from musicssl.batch import Batch

CONF = Path(__file__).parents[1] / "conf" / "augment"
CLIPS = 192
STEP = "training step"


def training_step(batch: Batch) -> Callable[[], None]:
    """Return a function that trains ATT by one step."""
    method = att().train()
    optimizer = method.optimizer(method.parameters())

    def step() -> None:
        loss = method.loss(method(batch), batch.y, batch.mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def work(x: Tensor) -> dict[str, Callable[[], object]]:
    """Return the calls to time: the step, both views, and each transform alone."""
    shape = (CLIPS, CLASSES)
    batch = Batch(x, (torch.rand(shape) < 0.5).float(), torch.rand(shape) < 0.1)
    weak, strong = (
        instantiate(OmegaConf.load(CONF / f"{name}.yaml")) for name in ("weak", "strong")
    )
    parts = {f"  {name}": part for name, part in strong.transforms.items()}
    transforms = {"weak": weak, "strong": strong, **parts, "  shuffle": Shuffle()}
    calls = {name: lambda transform=part: transform(x) for name, part in transforms.items()}
    return {STEP: training_step(batch), **calls}


def main() -> None:
    """Measure in turn and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--rounds", type=int, default=200)
    chosen = read(arguments, rounds=2)
    torch.set_num_threads(chosen.threads)
    calls = work(torch.rand(CLIPS, INSTANCES, FEATURES))
    times = milliseconds(calls, chosen.rounds)
    title = f"{CLIPS} clips, {chosen.threads} thread(s), {chosen.rounds} rounds"
    show(title, times, "a step", median(times[STEP]))


if __name__ == "__main__":
    main()
