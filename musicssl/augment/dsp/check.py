"""Validation of the parameters of transforms."""

import math

from musicssl.errors import InputError


def check_strength(name: str, value: float) -> float:
    """Return a strength if it is 0 or more.

    Args:
        name: Name of the parameter for the user, `transform.parameter`.
        value: Value of the parameter.

    Raises:
        InputError: If the value is negative, infinite or NaN.
    """
    if not 0 <= value < math.inf:
        raise InputError(f"{name} must be 0 (off) or more, got {value:g}.")
    return value


def check_fraction(name: str, value: float) -> float:
    """Return a fraction if it lies between 0 and 1.

    Args:
        name: Name of the parameter for the user, `transform.parameter`.
        value: Value of the parameter.

    Raises:
        InputError: If the value lies outside [0, 1].
    """
    if not 0 <= value <= 1:
        raise InputError(f"{name} must lie between 0 (off) and 1, got {value:g}.")
    return value


def check_positive(name: str, value: float) -> float:
    """Return a number if it is more than 0.

    Args:
        name: Name of the parameter for the user, `transform.parameter`.
        value: Value of the parameter.

    Raises:
        InputError: If the value is 0, negative, infinite or NaN.
    """
    if not 0 < value < math.inf:
        raise InputError(f"{name} must be more than 0, got {value:g}.")
    return value


def check_range(transform: str, **ends: float) -> None:
    """Check the two ends of a range, `min_...` and then `max_...`.

    Args:
        transform: Name of the transform for the user.
        ends: Values of the two ends by the names of their parameters.

    Raises:
        InputError: If an end is not finite, or the first one is larger than the second.
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
