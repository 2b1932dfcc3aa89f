"""Schedules of learning rates and loss weights as functions of the epoch, a float.

A schedule of the learning rate may have a parameter `end`, the number of epochs of the whole run,
which `bound_to` fills in.
"""

import inspect
import math
from collections.abc import Callable
from functools import partial

Schedule = Callable[[float], float]


def bound_to(end: float, schedule: Callable[..., float]) -> Schedule:
    """Return a schedule that knows where training ends.

    Args:
        end: Epochs of the run.
        schedule: A function of the epoch; if it has a parameter `end` without a value, it gets
            `end`.

    >>> bound_to(40, cosine)(20), bound_to(40, constant)(20)
    (0.5, 1.0)
    """
    parameter = inspect.signature(schedule).parameters.get("end")
    missing = parameter is not None and parameter.default is inspect.Parameter.empty
    return partial(schedule, end=end) if missing else schedule


def constant(epoch: float) -> float:
    """Return 1: a constant learning rate."""
    return 1.0


def cosine(epoch: float, end: float, warmup_epochs: float = 0.0) -> float:
    """Fall from 1 to 0 at `end` along half a cosine, after a linear rise from 0.

    Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, equation 5, without restarts and
    with a least rate of 0.

    >>> [round(cosine(epoch, end=40), 6) for epoch in (0, 10, 20, 40, 50)]
    [1.0, 0.853553, 0.5, 0.0, 0.0]
    >>> [round(cosine(epoch, end=42, warmup_epochs=2), 6) for epoch in (0, 1, 2, 22, 42)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if epoch < warmup_epochs:
        return epoch / warmup_epochs
    passed = _fraction(epoch - warmup_epochs, end - warmup_epochs)
    return 0.5 * (1.0 + math.cos(math.pi * passed))


def halving(epoch: float, every_epochs: float = 30.0) -> float:
    """Return the factor of a learning rate that is halved every `every_epochs` epochs.

    >>> [halving(epoch, every_epochs=30) for epoch in (0, 29.9, 30, 60)]
    [1.0, 1.0, 0.5, 0.25]
    """
    return float(0.5 ** (epoch // every_epochs))


def sigmoid_rampup(epoch: float, epochs: float = 80.0) -> float:
    """Rise from exp(-5), not from 0, to 1 at `epochs`, then stay at 1: exp(-5 (1 - x)^2).

    Gururani's thesis, equation A.1, after Laine and Aila 2017; x is the fraction of the ramp that
    has passed. A ramp of length 0 is 1 from the start.

    >>> [round(sigmoid_rampup(epoch, epochs=80), 6) for epoch in (0, 20, 40, 80, 100)]
    [0.006738, 0.060055, 0.286505, 1.0, 1.0]
    """
    return math.exp(-5.0 * (1.0 - _fraction(epoch, epochs)) ** 2)


def sigmoid_rampdown(epoch: float, epochs: float = 50.0, end: float = 300.0) -> float:
    """Stay at 1, then fall to about 0 over the last `epochs` before `end`: exp(-12.5 x^2).

    Gururani's thesis, equation A.2, prints 1 - exp(-12.5 x^2) with x going from 0 to 1, which rises
    from 0 to 1. exp(-12.5 x^2) is the ramp of Laine and Aila 2017 that the thesis describes: for
    their 50 epochs it equals their exp(-(epochs passed / 2)^2 / 50).

    >>> [round(sigmoid_rampdown(epoch, epochs=50, end=300), 6) for epoch in (0, 250, 275, 300)]
    [1.0, 1.0, 0.043937, 4e-06]
    """
    return math.exp(-12.5 * _fraction(epoch - (end - epochs), epochs) ** 2) if epochs > 0 else 1.0


def ramps(epoch: float, up_epochs: float, down_epochs: float, end: float) -> float:
    """Rise at the start and fall before the end, as in Laine and Aila 2017.

    >>> [round(ramps(epoch, 10, 50, end=100), 6) for epoch in (0, 10, 50, 75, 100)]
    [0.006738, 1.0, 1.0, 0.043937, 4e-06]
    """
    return sigmoid_rampup(epoch, up_epochs) * sigmoid_rampdown(epoch, down_epochs, end)


def exponential_rampup(epoch: float, top: float, epochs: float) -> float:
    """Rise from 0 to `top` at `epochs`, then stay there: (1 + top)^x - 1.

    The ramp of the dMelodies benchmark, exp(r i) - 1 with r = ln(1 + top) / 100,000 and i the steps
    so far; x is the fraction of the ramp that has passed.

    >>> [round(exponential_rampup(epoch, 4.0, epochs=54), 6) for epoch in (-1, 0, 27, 54, 99)]
    [0.0, 0.0, 1.236068, 4.0, 4.0]
    """
    return math.pow(1.0 + top, _fraction(epoch, epochs)) - 1.0


def _fraction(epoch: float, epochs: float) -> float:
    """Return the fraction of a ramp that has passed, in [0, 1]."""
    return min(max(epoch / epochs, 0.0), 1.0) if epochs > 0 else 1.0
