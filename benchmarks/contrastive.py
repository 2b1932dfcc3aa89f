"""Time and memory of the contrastive loss, against the direct way of computing it.

Both get the same rows: two crops of each clip, 128 projections, 50 classes, half of the clips
labelled. Both compute the target similarity, the loss, and the gradient of the projections. The
direct way follows the published code, written anew: labels compared for each pair of rows, (N, N,
C), and cosines by broadcasting, (N, N, P). Each case runs in a process of its own. Memory is the
peak resident size of that process less its peak after the same work on 64 rows. Time is the median
of the rounds, after one round of warm-up. From 2,048 rows on, the direct way has one round without
warm-up; it is left out where it would not fit into free memory.

    python benchmarks/contrastive.py [--threads 1] [--rounds 5] [--rows 192 512 1024 2048 8192]
        [--small]
"""

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from statistics import median
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from rounds import parser, read
from torch import Tensor

from musicssl.losses.contrastive import chunked_contrastive_loss, contrastive_loss
from musicssl.losses.similarity import Labels, same_clip, shared_labels, union

CLASSES, PROJECTIONS, TEMPERATURE, CHUNK_ROWS, WARM_ROWS = 50, 128, 0.1, 512, 64
DIRECT = "direct"
DIRECT_BYTES = 26 * PROJECTIONS  # of a pair of rows, at the peak; measured at 1,024 rows


class Rows(NamedTuple):
    """What is compared: projections, (N, P), which clip each row is of, (N,), and its labels."""

    z: Tensor
    clips: Tensor
    labels: Labels


class Cost(NamedTuple):
    """Median seconds, and MiB at the peak."""

    seconds: float
    memory: float


def draw(count: int) -> Rows:
    """Draw rows, two to a clip; of the labelled clips, every other one, a tenth of the classes."""
    generator = torch.Generator().manual_seed(0)
    y = (torch.rand(count // 2, CLASSES, generator=generator) < 0.1).float()
    labelled = (torch.arange(count // 2) % 2 == 0)[:, None].expand_as(y)
    labels = Labels(y.repeat_interleave(2, dim=0), labelled.repeat_interleave(2, dim=0))
    z = torch.randn(count, PROJECTIONS, generator=generator).requires_grad_()
    return Rows(z, torch.arange(count) // 2, labels)


def similarity(rows: Rows, part: slice) -> Tensor:
    """Return how alike some rows are to be to all."""
    labels = Labels(*(known[part] for known in rows.labels))
    return union(same_clip(rows.clips[part], rows.clips), shared_labels(labels, rows.labels))


def whole(rows: Rows) -> Tensor:
    """Compare all rows at once."""
    return contrastive_loss(rows.z, similarity(rows, slice(None)), TEMPERATURE)


def chunked(rows: Rows) -> Tensor:
    """Compare a chunk of rows at a time."""
    return chunked_contrastive_loss(
        rows.z, lambda part: similarity(rows, part), TEMPERATURE, CHUNK_ROWS
    )


def direct(rows: Rows) -> Tensor:
    """Compare pair by pair, without log-sum-exp."""
    first, second = torch.cartesian_prod(torch.arange(len(rows.z)), torch.arange(len(rows.z))).T
    square = (len(rows.z), len(rows.z))
    present = rows.labels.y * rows.labels.mask
    shared = (present[first] == 1) & (present[second] == 1)  # (N * N, C)
    alike = shared.any(dim=1) | (rows.clips[first] == rows.clips[second])
    others = ~torch.eye(len(rows.z), dtype=torch.bool)
    weights = alike.view(square).float() * others
    cosines = torch.nn.functional.cosine_similarity(rows.z[:, None], rows.z[None], dim=2)
    scores = (cosines / TEMPERATURE).exp() * others
    losses = -(scores / scores.sum(dim=1, keepdim=True) + 1e-6).log() * weights
    return (losses.sum(dim=1) / weights.sum(dim=1)).mean()


WAYS: dict[str, Callable[[Rows], Tensor]] = {
    DIRECT: direct,
    "musicssl": whole,
    f"musicssl, chunks of {CHUNK_ROWS}": chunked,
}


def cost(way: str, count: int, threads: int, rounds: int) -> Cost:
    """Measure one way of comparing `count` rows; to be called in a fresh process."""
    torch.set_num_threads(threads)
    compare, rows = WAYS[way], draw(count)
    compare(draw(WARM_ROWS)).backward()
    before, times = peak_memory(), []
    for _ in range(rounds):
        rows.z.grad = None
        start = time.perf_counter()
        compare(rows).backward()
        times.append(time.perf_counter() - start)
    return Cost(median(times[1:] or times), peak_memory() - before)


def peak_memory() -> float:
    """Return the greatest resident size of this process so far, in MiB."""
    return getrusage(RUSAGE_SELF).ru_maxrss / 1024


def free_memory() -> int:
    """Return what a new process could have, in bytes."""
    (line,) = (
        line
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemAvailable")
    )
    return 1024 * int(line.split()[1])


def measure(way: str, count: int, threads: int, rounds: int) -> Cost | None:
    """Measure in a process of its own; None where the direct way would not fit into memory."""
    if way == DIRECT and DIRECT_BYTES * count**2 > free_memory():
        return None
    once = way == DIRECT and count >= 2048  # half a minute, and most of a machine's memory
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(cost, (way, count, threads, 1 if once else rounds + 1))


def main() -> None:
    """Measure all ways at all sizes and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--rows", type=int, nargs="+", default=[192, 512, 1024, 2048, 8192])
    chosen = read(arguments, rounds=1, rows=[128])
    title = f"contrastive loss and gradient, {chosen.threads} thread(s)"
    table = Table("rows", "", "ms", "MiB", "faster", "less memory", title=title)
    for count in chosen.rows:
        costs = {way: measure(way, count, chosen.threads, chosen.rounds) for way in WAYS}
        for way, found in costs.items():
            table.add_row(f"{count:,}", way, *described(found, costs[DIRECT]))
    Console().print(table)


def described(found: Cost | None, reference: Cost | None) -> list[str]:
    """Return the cells of a row: time and memory, and how many times more the direct way takes."""
    if found is None:
        return ["would not fit into memory", "", "", ""]
    own = [f"{1000 * found.seconds:,.1f}", f"{found.memory:,.0f}"]
    if reference is None:
        return [*own, "", ""]
    ratio = reference.memory / max(found.memory, 1)
    return [*own, f"{reference.seconds / found.seconds:,.0f} x", f"{ratio:,.0f} x"]


if __name__ == "__main__":
    main()
