"""The device that a command works on."""

import re

import torch

from musicssl.errors import InputError


def device_named(name: str) -> torch.device:
    """Return the device that a setting names.

    Args:
        name: "cpu", "cuda", one of several GPUs such as "cuda:1", or "auto": a GPU if there is one.

    Raises:
        InputError: If there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    known = re.fullmatch(r"cpu|cuda(?::(0|[1-9]\d*))?", str(name))
    if known is None:
        raise InputError(f"there is no device {name}; choose auto, cpu or cuda.")
    if name != "cpu" and int(known[1] or 0) >= torch.cuda.device_count():
        raise InputError(f"device={name} needs a GPU that torch does not find; choose auto or cpu.")
    return torch.device(name)
