"""Lightning without its remarks, where a trainer is a tool and not what a user asked for."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep back what Lightning says of devices, modules in evaluation mode and its own imports."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*in eval mode at the start of training")
            warnings.filterwarnings("ignore", ".*LeafSpec")  # of torch
            yield
    finally:
        logger.setLevel(level)
