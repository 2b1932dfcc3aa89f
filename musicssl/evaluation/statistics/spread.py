"""Mean and spread over seeds."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan, nan, sqrt
from statistics import mean, stdev

from scipy.stats import t as student


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a value over seeds.

    Attributes:
        mean: Mean over the seeds for which the value is defined; NaN if there is none.
        sd: Standard deviation, with n - 1 in the denominator; NaN for fewer than two seeds.
        n: Number of these seeds.
    """

    mean: float
    sd: float
    n: int

    @property
    def seeds(self) -> int:
        """The number of seeds for a table; 0 if the value is defined for none."""
        return self.n

    @property
    def half_width(self) -> float:
        """Half the 95 % t-interval of the mean; NaN for fewer than two seeds."""
        if self.n < 2:
            return nan
        return float(student.ppf(0.975, self.n - 1)) * self.sd / sqrt(self.n)

    def __str__(self) -> str:
        if self.n == 0:
            return "–"
        return f"{self.mean:.4f}" + (f" ± {self.sd:.4f}" if self.n > 1 else "")


def spread(values: Iterable[float]) -> Spread:
    """Return mean and spread of the values that are not NaN.

    >>> str(spread([0.8, 0.9])), str(spread([0.8])), str(spread([]))
    ('0.8500 ± 0.0707', '0.8000', '–')
    """
    defined = [value for value in values if not isnan(value)]
    if not defined:
        return Spread(nan, nan, 0)
    return Spread(mean(defined), stdev(defined) if len(defined) > 1 else nan, len(defined))
