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
