"""Seconds for all measures of a latent space, against a loop over pairs as latte-metrics has it.

10,000 clips, 32 latent dimensions, nine attributes: the factors of dMelodies (12, 3, 3, 28, 28 and
four times 2 values), and nine continuous ones. The loop calls scikit-learn as latte-metrics 0.0.1a6
does: its bundle of MIG, DMIG, XMIG and DLIG, then modularity, and SAP by a LinearSVC or a
covariance for each pair. Both give the same numbers, which is checked. "matrix" is the
mutual information of dimensions and attributes alone, "all" all measures. The table has medians of
three rounds; the loop is timed on a few dimensions, and its time is multiplied.

    python benchmarks/latents.py [--clips 10000] [--dimensions 32] [--looped 4] [--small]
"""

import time
import warnings
from collections.abc import Callable
from statistics import median

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rounds import parser, read
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression
from sklearn.svm import LinearSVC

from musicssl.evaluation.latents.estimators import Neighbours
from musicssl.evaluation.latents.measures import measure_latents

ROUNDS = 3
VALUES = (12, 3, 3, 28, 28, 2, 2, 2, 2)  # of dMelodies' factors

Floats = NDArray[np.floating]


def draw(clips: int, dimensions: int, discrete: bool) -> tuple[Floats, Floats]:
    """Draw latent variables, (N, D), of which the first nine depend on nine attributes, (N, 9)."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(clips, dimensions))
    if discrete:
        attributes = np.stack([rng.integers(count, size=clips) for count in VALUES], axis=1)
        spread = attributes / (np.array(VALUES) - 1)
    else:
        attributes = spread = rng.normal(size=(clips, len(VALUES)))
    z[:, : len(VALUES)] = 3 * spread + 0.5 * z[:, : len(VALUES)]
    return z, attributes.astype(np.float64)


def by_pairs(z: Floats, attributes: Floats, discrete: bool) -> Floats:
    """Estimate the mutual information of latent variables and attributes, (D, M)."""
    estimate = mutual_info_classif if discrete else mutual_info_regression
    return np.column_stack([estimate(z, column, random_state=0) for column in attributes.T])


def latte_scores(z: Floats, attributes: Floats, discrete: bool) -> Floats:
    """Return the scores of SAP, (D, M)."""
    scores = np.zeros((z.shape[1], attributes.shape[1]))
    for d in range(z.shape[1]):
        for i, column in enumerate(attributes.T):
            one = z[:, [d]]
            if discrete:
                machine = LinearSVC(C=1.0, random_state=0).fit(one, column)
                scores[d, i] = (machine.predict(one) == column).mean()
            else:
                covariance = np.cov(z[:, d], column, ddof=1)
                scores[d, i] = covariance[0, 1] ** 2 / (covariance[0, 0] * covariance[1, 1])
    return scores


def latte_attributes(z: Floats, attributes: Floats, discrete: bool) -> None:
    """Estimate what latte does once, whatever the number of dimensions: entropies, DLIG's rows."""
    for i in range(attributes.shape[1]):
        own = attributes[:, [i]]
        for _ in range(3):  # H(a_i) of MIG, of DMIG and of DLIG
            by_pairs(own, own, discrete)
        by_pairs(own, attributes[:, [i - 1]], discrete)
        by_pairs(z[:, [i]], attributes, discrete)


def seconds(call: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measured(clips: int, dimensions: int, looped: int, discrete: bool) -> list[tuple[str, ...]]:
    """Return the rows of the table for one kind of attributes."""
    z, attributes = draw(clips, dimensions, discrete)
    kinds, few = [discrete] * len(VALUES), z[:, :looped]
    times: dict[str, list[float]] = {}
    whole = dimensions / looped
    estimator = Neighbours()
    ours = estimator(few, attributes, [False] * looped, kinds)
    np.testing.assert_allclose(ours, by_pairs(few, attributes, discrete), atol=1e-3)
    for _ in range(ROUNDS):
        matrix = seconds(lambda: estimator(z, attributes, [False] * dimensions, kinds))
        pairs = whole * seconds(lambda: by_pairs(few, attributes, discrete))
        scores = whole * seconds(lambda: latte_scores(few, attributes, discrete))
        once = seconds(lambda: latte_attributes(z, attributes, discrete))
        every = seconds(
            lambda: measure_latents(z, attributes, discrete=kinds, dimensions=range(len(VALUES)))
        )
        for name, taken in (
            ("matrix", matrix),
            ("matrix: loop", pairs),
            ("all", every),
            ("all: loop", 2 * pairs + once + scores),  # the bundle, and modularity anew
        ):
            times.setdefault(name, []).append(taken)
    kind = "discrete" if discrete else "continuous"
    return [_row(kind, name, times) for name in times]


def _row(kind: str, name: str, times: dict[str, list[float]]) -> tuple[str, ...]:
    taken, reference = times[name], times[name.partition(":")[0]]
    extent = f"{min(taken):.2f}-{max(taken):.2f}"
    ratio = median(taken) / median(reference)
    return f"{kind}, {name}", f"{median(taken):.2f}", extent, f"{ratio:.1f} x"


def main() -> None:
    """Measure both kinds of attributes and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--clips", type=int, default=10_000)
    arguments.add_argument("--dimensions", type=int, default=32)
    arguments.add_argument("--looped", type=int, default=4, help="dimensions of the loop")
    chosen = read(arguments, clips=300, dimensions=12, looped=2)
    warnings.simplefilter("ignore")  # LinearSVC's, of convergence
    title = f"{chosen.clips:,} clips x {chosen.dimensions} dimensions x {len(VALUES)} attributes"
    table = Table("", "seconds", "range", "ratio", title=title)
    for discrete in (True, False):
        for row in measured(chosen.clips, chosen.dimensions, chosen.looped, discrete):
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
