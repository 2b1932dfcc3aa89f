"""Seconds for 1,000 resamples of AUROC and average precision, against measuring each anew.

5,000 clips, 20 classes, a tenth of the cells positive, all observed. The loop selects the clips of
a resample and calls the metrics of the task. A few resamples are timed, and their time is
multiplied. The metrics of a task include precision, recall and F1; the third row is the loop with
AUROC and average precision alone. The table has medians of three rounds.

    python benchmarks/bootstrap.py [--clips 5000] [--classes 20] [--looped 5] [--threads 1]
        [--small]
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rounds import parser, read
from torch import Tensor

from musicssl.evaluation.metrics import ranking_metrics
from musicssl.evaluation.statistics.bootstrap import replicates
from musicssl.evaluation.tasks import MULTI_LABEL

RESAMPLES, ROUNDS = 1000, 3
NAMES = ("auroc", "average_precision")


def seconds(call: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def draw(num_clips: int, num_classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw scores, targets and mask, each (N, C)."""
    generator = torch.Generator().manual_seed(0)
    targets = (torch.rand(num_clips, num_classes, generator=generator) < 0.1).float()
    scores = (targets + torch.randn(targets.shape, generator=generator)).sigmoid()
    return scores, targets, torch.ones_like(targets, dtype=torch.bool)


def main() -> None:
    """Measure the ways in turn and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--clips", type=int, default=5000)
    arguments.add_argument("--classes", type=int, default=20)
    arguments.add_argument("--looped", type=int, default=5, help="resamples of the loop in a round")
    arguments.add_argument("--threads", type=int, default=1)
    chosen = read(arguments, clips=200, classes=3, looped=1)
    torch.set_num_threads(chosen.threads)
    scores, targets, mask = draw(chosen.clips, chosen.classes)
    rng = np.random.default_rng(0)
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        ours = seconds(lambda: replicates(scores[None], targets, mask, MULTI_LABEL, NAMES))
        times.setdefault("musicssl.evaluation.statistics.bootstrap", []).append(ours)
        for _ in range(chosen.looped):
            rows = torch.from_numpy(rng.integers(chosen.clips, size=chosen.clips))
            clips = scores[rows], targets[rows], mask[rows]
            all_metrics = seconds(lambda clips=clips: MULTI_LABEL.metrics(*clips))
            two = seconds(lambda clips=clips: ranking_metrics(clips[0], clips[1] >= 0.5, clips[2]))
            times.setdefault("loop: task.metrics", []).append(RESAMPLES * all_metrics)
            times.setdefault("loop: ranking_metrics", []).append(RESAMPLES * two)
    title = f"{RESAMPLES:,} resamples of {chosen.clips:,} x {chosen.classes}"
    table = Table("", "seconds", "range", "ratio", title=title)
    reference = median(times["musicssl.evaluation.statistics.bootstrap"])
    for way, taken in times.items():
        extent = f"{min(taken):.2f}-{max(taken):.2f}"
        table.add_row(way, f"{median(taken):.2f}", extent, f"{median(taken) / reference:.0f} x")
    Console().print(table)


if __name__ == "__main__":
    main()
