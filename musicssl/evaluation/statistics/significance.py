"""Paired test: is one method better than another for new seeds and new clips?

Both methods were trained from the same seeds and tested on the same clips, so the comparison is
paired. The variance over new seeds is estimated from the differences of the seeds; the variance
over new clips that is common to the seeds, from the influence of the clips. With seeds as readers
and clips as cases, this is the test of Obuchowski and Rockette (1995), Communications in Statistics
24, for two modalities, with DeLong's covariances. The degrees of freedom are those of Welch and
Satterthwaite, as in Hillis (2007), Statistics in Medicine 26, who assumes infinitely many clips.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

Floats = NDArray[np.float64]

# Seeds of both methods that a claim needs. For equally good methods, `paired_test` gave p < 0.05 in
# 6 to 11 % of simulated studies with 2 seeds, in 6 to 6.5 % with 3, and in 5.2 to 5.9 % with 5.
FEWEST_SEEDS = 5


@dataclass(frozen=True)
class PairedTest:
    """The mean difference of two methods, and its variance.

    Attributes:
        difference: Mean difference over seeds.
        seed_variance: Variance due to training, including the interaction of trainings and clips;
            0, meaning unknown, for a single seed.
        clip_variance: Variance due to the draw of test clips.
        dof: Degrees of freedom.
    """

    difference: float
    seed_variance: float
    clip_variance: float
    dof: float

    @property
    def standard_error(self) -> float:
        """The standard error of the difference."""
        return float(np.sqrt(self.seed_variance + self.clip_variance))

    @property
    def p(self) -> float:
        """Two-sided p value; without any variance, 1 for equal methods and 0 for different ones."""
        if self.standard_error == 0:
            return float(self.difference == 0)
        return float(2 * student.sf(abs(self.difference) / self.standard_error, self.dof))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the difference."""
        half = float(student.ppf(0.975, self.dof)) * self.standard_error
        return self.difference - half, self.difference + half


def paired_test(differences: Floats, influences: Floats) -> PairedTest:
    """Test whether a mean difference is 0, over new seeds and over new clips.

    The spread of the seeds' differences includes the interaction of a training with the clips. The
    clip variance is therefore only the part that the seeds have in common: the mean product of the
    influences of two different seeds (Cov2 - Cov3 of Obuchowski and Rockette, times two), at least
    0. The variance of the mean influence would count the interaction twice, so that the test would
    lose power. A single seed has only the clip variance: the test is DeLong's paired test.

    Args:
        differences: AUROC of the first method minus that of the second, for each seed, (S,).
        influences: Difference of the influences in the same way, (S, N).
    """
    num_seeds, num_clips = influences.shape
    squares = float((influences**2).sum())
    if num_seeds == 1:
        return PairedTest(float(differences[0]), 0.0, squares, num_clips - 1)
    total = influences.sum(axis=0)
    shared = float(total @ total - squares) / (num_seeds * (num_seeds - 1))
    of_seeds = _of_mean(differences)
    return _summed(float(differences.mean()), [of_seeds], (max(shared, 0.0), num_clips - 1))


def unpaired_test(
    difference: float, samples: Sequence[Floats], clip_variance: float, num_clips: int
) -> PairedTest:
    """Test whether the difference of two means is 0 if trainings are not paired.

    The variances of the means of all samples are added to that over clips, as in Welch's t-test.
    The spread of trainings contains their interaction with the clips, which is in the variance over
    clips too, so the test is conservative.

    Args:
        difference: Mean of the first model minus that of the second.
        samples: Groups of values that the difference depends on, for example one value for each
            training of a model, in one group for each model. At least two values in each group.
        clip_variance: Variance of the difference over draws of test clips.
        num_clips: Number of test clips, or of groups of them that were drawn.
    """
    return _summed(difference, list(map(_of_mean, samples)), (clip_variance, num_clips - 1))


def _of_mean(values: Floats) -> tuple[float, int]:
    """Return the variance of the mean of a sample, and its degrees of freedom."""
    return float(values.var(ddof=1)) / len(values), len(values) - 1


def _summed(
    difference: float, of_seeds: Sequence[tuple[float, int]], of_clips: tuple[float, int]
) -> PairedTest:
    """Add independent variances, each with its degrees of freedom (Welch and Satterthwaite)."""
    parts = [*of_seeds, of_clips]
    variance = sum(part for part, _ in parts)
    spread = sum(part**2 / dof for part, dof in parts)
    dof = variance**2 / spread if spread > 0 else of_clips[1]
    return PairedTest(difference, sum(part for part, _ in of_seeds), of_clips[0], dof)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p values for their number by Holm's step-down method (1979).

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    steps = p[order] * np.arange(len(p), 0, -1)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return [float(value) for value in corrected]


def p_text(p: float, *, is_bound: bool = False) -> str:
    """Format a p value for a table; an upper bound is rounded up.

    >>> p_text(0.0004), p_text(0.0312), p_text(1), p_text(0.0312, is_bound=True)
    ('< 0.001', '0.031', '1.000', '≤ 0.032')
    """
    if p < 0.001:
        return "< 0.001"
    return f"≤ {ceil(1000 * p - 1e-9) / 1000:.3f}" if is_bound else f"{p:.3f}"


def p_equation(p: float, *, is_bound: bool = False) -> str:
    """Format a p value for a sentence.

    >>> p_equation(0.0004), p_equation(0.0312), p_equation(2 / 1001, is_bound=True)
    ('p < 0.001', 'p = 0.031', 'p ≤ 0.002')
    """
    text = p_text(p, is_bound=is_bound)
    return f"p {text}" if text[0] in "<≤" else f"p = {text}"
