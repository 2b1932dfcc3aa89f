"""Learning rates as functions of the time trained, in epochs and fractions of them."""


def constant(epoch: float) -> float:
    """Keep the learning rate: the factor is 1 at any time."""
    return 1.0


def halving(epoch: float, every_epochs: float = 30.0) -> float:
    """Return the factor of a learning rate that halves at once after every so many epochs.

    >>> [halving(epoch, every_epochs=30) for epoch in (0, 29.9, 30, 60)]
    [1.0, 1.0, 0.5, 0.25]
    """
    return float(0.5 ** (epoch // every_epochs))
