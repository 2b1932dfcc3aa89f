"""Validation of layer sizes."""

from collections.abc import Sequence
from typing import Any

from musicssl.errors import InputError


def check_widths(widths: Any, name: str = "method.hidden", fewest: int = 0) -> None:
    """Check the widths of hidden layers; an empty list makes a linear network.

    Args:
        widths: Widths of the layers, as they were set.
        name: Name of the setting.
        fewest: Number of layers that there must be.

    Raises:
        InputError: If it is not a list of whole numbers from 1 up, or too short.
    """
    is_list = isinstance(widths, Sequence) and len(widths) >= fewest
    if not is_list or not all(_is_positive_int(width) for width in widths):
        raise InputError(
            f"{name} must be a list of whole numbers from 1 up, such as [512,256], got {widths}."
        )


def check_latent_dim(latent_dim: Any, name: str = "method.latent_dim") -> None:
    """Check the number of latent variables.

    Args:
        latent_dim: The number, as it was set.
        name: Name of the setting.

    Raises:
        InputError: If it is not a whole number from 1 up.
    """
    if not _is_positive_int(latent_dim):
        raise InputError(f"{name} must be a whole number from 1 up, got {latent_dim}.")


def hidden_layers(**widths: int) -> tuple[int, ...]:
    """Return the widths of hidden layers, in order, without those that are 0.

    Raises:
        InputError: If one is not a whole number from 0 up, or all are 0.
    """
    for name, width in widths.items():
        if not isinstance(width, int) or isinstance(width, bool) or width < 0:
            raise InputError(f"method.{name} must be a whole number from 0 up, got {width}.")
    layers = tuple(width for width in widths.values() if width)
    if not layers:
        raise InputError("the networks need a hidden layer; set method.h1 to 1 or more.")
    return layers


def _is_positive_int(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 1
