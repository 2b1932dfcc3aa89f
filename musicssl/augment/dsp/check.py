"""What the numbers of a transform must satisfy."""

import math

from musicssl.errors import InputError


def check_strength(name: str, value: float) -> float:
    """Return a strength that is 0 or more.

    Args:
        name: What the user calls it, `transform.parameter`.
        value: To be checked.

    Raises:
        InputError: If it is negative, infinite or no number.
    """
    if not 0 <= value < math.inf:
        raise InputError(f"{name} must be 0 (off) or more, got {value:g}.")
    return value


def check_fraction(name: str, value: float) -> float:
    """Return a fraction that lies between 0 and 1.

    Args:
        name: What the user calls it, `transform.parameter`.
        value: To be checked.

    Raises:
        InputError: If it lies outside.
    """
    if not 0 <= value <= 1:
        raise InputError(f"{name} must lie between 0 (off) and 1, got {value:g}.")
    return value


def check_positive(name: str, value: float) -> float:
    """Return a number that is more than 0.

    Args:
        name: What the user calls it, `transform.parameter`.
        value: To be checked.

    Raises:
        InputError: If it is 0, negative, infinite or no number.
    """
    if not 0 < value < math.inf:
        raise InputError(f"{name} must be more than 0, got {value:g}.")
    return value


def check_range(transform: str, **ends: float) -> None:
    """Check the two ends of a range, `min_...` and then `max_...`.

    Args:
        transform: What the user calls the transform.
        ends: By the names of its parameters.

    Raises:
        InputError: If one is no finite number, or the first is larger than the second.
    """
    (low_name, low), (high_name, high) = ends.items()
    for name, value in ends.items():
        if not math.isfinite(value):
            raise InputError(f"{transform}.{name} must be a finite number, got {value:g}.")
    if low > high:
        raise InputError(
            f"{transform}.{low_name}={low:g} is larger than {transform}.{high_name}={high:g}; "
            "exchange them."
        )
