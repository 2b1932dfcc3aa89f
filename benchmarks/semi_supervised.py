"""Milliseconds of a training step of each semi-supervised method, against the supervised step.

Each round times all methods in turn, in one process, on the same 192 clips of 10 x 128 features, 64
of them labelled; so a busy machine slows all of them alike. The table has medians. A step is views,
forward, loss, backward, optimizer and the teacher's update, without Lightning. "att" is the
supervised step of the same network, without views and teacher. Mean Teacher passes each clip
through two networks, so the ratios are to two steps of "att".

    python benchmarks/semi_supervised.py [--threads 1] [--rounds 200] [--small]
"""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from rounds import milliseconds, parser, read, show

from musicssl.batch import Batch
from musicssl.methods.base.method import Method
from musicssl.methods.base.semi_supervised import SemiSupervisedMethod
from musicssl.networks.ensemble import PredictionEnsemble

CONF = Path(__file__).parents[1] / "conf"
CLIPS, LABELLED, INSTANCES, FEATURES, CLASSES = 192, 64, 10, 128, 20
METHODS = ("att", "supervised", "mean_teacher", "pi_model", "temporal_ensembling", "fixmatch")


def batch() -> Batch:
    """Draw clips, the labelled ones first."""
    mask = torch.zeros(CLIPS, CLASSES, dtype=torch.bool)
    mask[:LABELLED] = True
    y = (torch.rand(CLIPS, CLASSES) < 0.2).float()
    x = torch.rand(CLIPS, INSTANCES, FEATURES)
    return Batch(x, y, mask, rows=torch.arange(CLIPS))


def training_step(name: str, clips: Batch) -> Callable[[], None]:
    """Return a function that trains a method by one step."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [f"method={name}"])
    sizes = {"num_features": FEATURES, "num_instances": INSTANCES, "num_classes": CLASSES}
    method: Any = instantiate(config.method, **sizes).train()
    method._trainer = SimpleNamespace(world_size=1)
    method.ensemble = PredictionEnsemble(CLIPS, CLASSES, momentum=0.6)
    optimizer = method.optimizer([p for p in method.parameters() if p.requires_grad])
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        loss = loss_of(method, clips)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if isinstance(method, SemiSupervisedMethod):
            method.teacher.update(method.classifier, steps)

    return step


def loss_of(method: Method, clips: Batch) -> torch.Tensor:
    """Return the loss at full weight."""
    if not isinstance(method, SemiSupervisedMethod):
        return method.loss(method(clips), clips.y, clips.mask)
    logits, consistency, _ = method.step(clips)
    supervised = method.loss(logits, clips.y, clips.mask)
    return supervised + method.consistency_weight * consistency


def main() -> None:
    """Measure in turn and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--rounds", type=int, default=200)
    chosen = read(arguments, rounds=2)
    torch.set_num_threads(chosen.threads)
    clips = batch()
    steps = {name: training_step(name, clips) for name in METHODS}
    times = milliseconds(steps, chosen.rounds)
    title = f"{CLIPS} clips, {chosen.threads} thread(s), {chosen.rounds} rounds"
    show(title, times, "two att steps", 2 * median(times["att"]))


if __name__ == "__main__":
    main()
