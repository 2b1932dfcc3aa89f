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

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

Floats = NDArray[np.float64]


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
    of_seeds, of_clips = float(differences.var(ddof=1)) / num_seeds, max(shared, 0.0)
    return PairedTest(
        float(differences.mean()), of_seeds, of_clips, _dof(of_seeds, of_clips, *influences.shape)
    )


def _dof(of_seeds: float, of_clips: float, num_seeds: int, num_clips: int) -> float:
    spread = of_seeds**2 / (num_seeds - 1) + of_clips**2 / (num_clips - 1)
    return (of_seeds + of_clips) ** 2 / spread if spread > 0 else num_clips - 1


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
