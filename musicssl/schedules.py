"""Schedules of learning rates and loss weights as functions of the epoch, a float."""

import math


def constant(epoch: float) -> float:
    """Return 1: a constant learning rate."""
    return 1.0


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


def _fraction(epoch: float, epochs: float) -> float:
    """Return the fraction of a ramp that has passed, in [0, 1]."""
    return min(max(epoch / epochs, 0.0), 1.0) if epochs > 0 else 1.0
