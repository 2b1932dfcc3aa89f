"""Seconds of the batched linear probe against scikit-learn's loop, at equal scores.

Both fit the same subsets: 20 strengths x fractions of 10,000 clips x 3 seeds, 512 features, 20
classes. There is one subset of all clips, not three. scikit-learn's LogisticRegression (lbfgs) fits
one strength at a time, and one class at a time if there are several labels. Both use the same
number of threads; two threads help scikit-learn's small products little. Our time is that of
`Linear.fit`, with standardisation and choice by validation; scikit-learn's is that of the fits
alone.

By default every fit of the loop is timed, which takes many minutes. `--sample 3` times all classes
of three randomly drawn pairs of subset and strength for each fraction, and multiplies the mean.
Differences are those of macro AUROC, or accuracy, on 2,000 test clips: at the strength that
validation chose, and the largest at any timed strength. (Where the penalty is weak and clips are
few, scikit-learn stops before the minimum.)

    python benchmarks/probe.py [--task multi_label] [--threads 1] [--sample 3] [--small]
"""

import itertools
import time
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rounds import parser, read
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import gelu, one_hot

from musicssl.data.splits import labelled_subset
from musicssl.evaluation.metrics import primary_metric
from musicssl.evaluation.tasks import MULTI_LABEL, Task, task_named
from musicssl.probing.base import Embeddings
from musicssl.probing.linear import Linear, standardisation

FRACTIONS, SEEDS = (0.01, 0.03, 0.1, 0.3, 1.0), 3
STRENGTHS = np.logspace(-5, 2, 20).tolist()
CLASSES, HELD_OUT = 20, 2000


class Splits(NamedTuple):
    """Embeddings to learn from, to choose by and to judge by."""

    train: Embeddings
    val: Embeddings
    test: Embeddings


class Loop(NamedTuple):
    """What scikit-learn needed for one fraction, and how its scores differ from ours."""

    seconds: float
    at_chosen: float
    largest: float


def embeddings(clips: int, width: int, task: Task) -> Splits:
    """Make features that go together in all degrees, and classes of 3 to 30 % of the clips.

    The causes have a spectrum that falls as the frequencies of words do, and half of what makes a
    class is noise.
    """
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    spectrum = torch.arange(1, width + 1) ** -0.6
    causes, axes = normal(clips + 2 * HELD_OUT, width), torch.linalg.qr(normal(width, width))[0]
    h = gelu(3 * (causes * spectrum) @ axes)
    values = causes @ (spectrum.sqrt()[:, None] * normal(width, CLASSES))
    values = values / values.std(0) + normal(*values.shape)
    y = one_hot(values.argmax(1), CLASSES).float()
    if task is MULTI_LABEL:
        shares = torch.linspace(0.03, 0.3, CLASSES)
        borders = torch.stack([v.quantile(1 - s) for v, s in zip(values.T, shares, strict=True)])
        y = (values > borders).float()
    whole = Embeddings(h, y, torch.ones_like(y, dtype=torch.bool))
    sizes = [clips, HELD_OUT, HELD_OUT]
    return Splits(*(whole.select(rows) for rows in torch.arange(len(h)).split(sizes)))


def subsets_of(train: Embeddings, fraction: float) -> list[Tensor]:
    """Draw the clips of each seed; of the whole there is one."""
    y, mask = train.y.numpy(), train.mask.numpy()
    seeds = range(SEEDS if fraction < 1 else 1)
    return [torch.from_numpy(labelled_subset(y, mask, fraction, seed)) for seed in seeds]


def score(splits: Splits, task: Task, scores: Tensor) -> float:
    """Return the macro AUROC, or the accuracy, of scores of the test clips."""
    macro = task.metrics(scores, splits.test.y, splits.test.mask).macro
    return macro[primary_metric(macro)]


def one_fit(z: NDArray[np.float64], y: NDArray[np.int64], strength: float) -> LogisticRegression:
    """Fit one model of scikit-learn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=strength, max_iter=1000).fit(z, y)


def all_classes(splits: Splits, rows: Tensor, strength: float, task: Task) -> tuple[float, float]:
    """Let scikit-learn fit a subset with one strength; return seconds of fits, and the score."""
    train = splits.train.select(rows)
    mean, spread = standardisation(train.h.double())
    z, test = ((h.double() - mean) / spread for h in (train.h, splits.test.h))
    if task is not MULTI_LABEL:
        targets = [train.y.argmax(1).numpy()]
    else:
        targets = [y.long().numpy() for y in train.y.T]
    fitted = [c for c, y in enumerate(targets) if y.min() < y.max()]
    start = time.perf_counter()
    models = [one_fit(z.numpy(), targets[c], strength) for c in fitted]
    seconds = time.perf_counter() - start
    scores = torch.full((len(test), CLASSES), 0.0, dtype=torch.float64)
    for c, model in zip(fitted, models, strict=True):
        guess = torch.from_numpy(model.predict_proba(test.numpy()))
        if task is MULTI_LABEL:
            scores[:, c] = guess[:, 1]
        else:
            scores[:, model.classes_] = guess
    return seconds, score(splits, task, scores)


def loop(
    splits: Splits,
    subsets: Sequence[Tensor],
    chosen: Sequence[float],
    task: Task,
    sample: int | None,
) -> Loop:
    """Time scikit-learn on subsets of one size and compare, strength by strength."""
    pairs = list(itertools.product(range(len(subsets)), STRENGTHS))
    timed = pairs
    if sample is not None:
        drawn = np.random.default_rng(0).choice(len(pairs), sample, replace=False)
        timed = [pairs[place] for place in drawn]
    seconds, differences = [], {}
    for place, strength in dict.fromkeys([*timed, *enumerate(chosen)]):
        rows = subsets[place]
        spent, theirs = all_classes(splits, rows, strength, task)
        seconds += [spent] if (place, strength) in timed else []
        [ours] = Linear([strength]).fit(splits.train, [rows], splits.val, task)
        differences[place, strength] = abs(theirs - score(splits, task, ours.judge(splits.test.h)))
    return Loop(
        float(np.mean(seconds)) * len(pairs),
        max(differences[pair] for pair in enumerate(chosen)),
        max(differences.values()),
    )


def measured(splits: Splits, task: Task, fractions: Sequence[float], sample: int | None) -> Table:
    """Measure fraction by fraction, and all of them together."""
    name = "macro AUROC" if task is MULTI_LABEL else "accuracy"
    columns = ("fraction", "clips", name, "scikit-learn, s", "ours, s", "ratio")
    table = Table(*columns, "difference", "largest")
    sums = np.zeros(2)
    for fraction in fractions:
        subsets = subsets_of(splits.train, fraction)
        start = time.perf_counter()
        probes = Linear(STRENGTHS).fit(splits.train, subsets, splits.val, task)
        ours = time.perf_counter() - start
        reached = [score(splits, task, probe.judge(splits.test.h)) for probe in probes]
        chosen = [probe.chosen["strength"] for probe in probes]
        theirs = loop(splits, subsets, chosen, task, sample)
        sums += (theirs.seconds, ours)
        table.add_row(
            f"{fraction:g} x {len(subsets)}",
            f"{len(subsets[0]):,}",
            f"{np.mean(reached):.3f}",
            *times(theirs.seconds, ours),
            f"{theirs.at_chosen:.4f}",
            f"{theirs.largest:.4f}",
        )
    table.add_row("all", "", "", *times(*sums))
    return table


def times(theirs: float, ours: float) -> tuple[str, str, str]:
    """Write two times and their ratio."""
    return f"{theirs:.1f}", f"{ours:.2f}", f"{theirs / ours:.1f} x"


def main() -> None:
    """Measure and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--task", choices=["multi_label", "multi_class"], default="multi_label")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--sample", type=int, help="pairs of subset and strength that are timed")
    arguments.add_argument("--clips", type=int, default=10_000, help="training clips")
    arguments.add_argument("--width", type=int, default=512, help="features of a clip")
    arguments.add_argument("--fractions", type=float, nargs="+", default=FRACTIONS)
    options = read(arguments, sample=1, clips=500, width=16, fractions=[0.5, 1.0])
    task = task_named(options.task)
    torch.set_num_threads(options.threads)
    splits = embeddings(options.clips, options.width, task)
    Linear(STRENGTHS).fit(splits.train, subsets_of(splits.train, 0.05), splits.val, task)
    with threadpool_limits(options.threads):
        table = measured(splits, task, options.fractions, options.sample)
    counted = "every fit" if options.sample is None else f"{options.sample} pairs a fraction"
    table.title = f"Linear probe, {task.name}, threads: {options.threads}; timed: {counted}"
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
