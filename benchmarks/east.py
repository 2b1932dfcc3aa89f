"""Milliseconds of a training step with a teacher, against the step without one.

Each round times all methods in turn, in one process, on the same clips; so a busy machine slows all
of them alike. The table has medians. A step is forward, loss, backward and optimizer, without
Lightning; the embeddings of the teacher come with the batch, as in training. Students: the network
of EAsT on MagnaTagATune on 10 s of sound, 16 clips with embeddings of 512 dimensions, and ATT on 96
clips of 10 x 128 features.

    python benchmarks/east.py [--threads 1] [--rounds 20] [--clips 96] [--small]
"""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from rounds import milliseconds, parser, read, show, step_of

from musicssl.batch import Batch

CONF = Path(__file__).parents[1] / "conf"
CLASSES, WIDTH, FEATURES = 20, 512, 128
STUDENTS = {"att": (96, 10, FEATURES), "mobile_fcn": (16, 160_000)}  # and shapes of clips
WITH_A_TEACHER = {
    "east": ("method=east",),
    "east, cosine": ("method=east", "method.compare=cosine"),
    "east, all stages": ("method=east", "method.stages=all"),
}


def batch(shape: tuple[int, ...]) -> Batch:
    """Draw clips, all with labels and embeddings."""
    mask = torch.ones(shape[0], CLASSES, dtype=torch.bool)
    y = (torch.rand(mask.shape) < 0.2).float()
    return Batch(0.1 * torch.randn(shape), y, mask, teacher=torch.randn(shape[0], WIDTH))


def training_step(encoder: str, clips: Batch, *overrides: str) -> Callable[[], None]:
    """Return a function that trains a method by one step."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [f"encoder={encoder}", *overrides])
    sizes = {"num_features": FEATURES, "num_instances": 10, "num_classes": CLASSES}
    method: Any = instantiate(config.method, **sizes).train()
    method.trainer = pl.Trainer(barebones=True)  # it says which epoch it is, and logs nothing
    optimizer = method.optimizer(method.parameters())
    return step_of(method, optimizer, clips)


def main() -> None:
    """Measure each student in turn and print a table of each."""
    arguments = parser(__doc__)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--rounds", type=int, default=20)
    arguments.add_argument("--clips", type=int, default=96, help="most clips in a batch")
    chosen = read(arguments, rounds=2, clips=4)
    torch.set_num_threads(chosen.threads)
    for encoder, (count, *sizes) in STUDENTS.items():
        count = min(count, chosen.clips)
        clips = batch((count, *sizes))
        steps = {"without": training_step(encoder, clips, "method=att")}
        for name, overrides in WITH_A_TEACHER.items():
            steps[name] = training_step(encoder, clips, *overrides)
        times = milliseconds(steps, chosen.rounds)
        title = f"{encoder}, {count} clips, {chosen.threads} thread(s), {chosen.rounds} rounds"
        show(title, times, "without", median(times["without"]))


if __name__ == "__main__":
    main()
