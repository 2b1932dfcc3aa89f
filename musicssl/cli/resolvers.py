"""The functions that values in conf/ may call; importing this module registers them.

Two of them are here. They answer how long to train and how large a batch is, where nothing was
typed: `trainer.max_epochs` and `trainer.max_steps` are two ways to say how long a run trains.
Epochs are passes over the training clips; otherwise steps count, and an epoch is the time from one
validation to the next.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from omegaconf import OmegaConf

from musicssl.cli.naming import label, run_name, run_of
from musicssl.runs.probes.folder import probe_folder


def unless(given: Any, value: Any, otherwise: Any = None) -> Any:
    """Return `value`, or `otherwise` if another setting was given.

    >>> unless(None, 4000, -1), unless(60, 4000, -1)
    (4000, -1)
    """
    return value if given is None else otherwise


def batch_size(labelled: int, b_s: float | None) -> int:
    """Return the size of a batch that has a number of labelled clips.

    >>> batch_size(32, 1.0), batch_size(32, 0.333), batch_size(32, 0.0), batch_size(32, None)
    (32, 96, 32, 32)

    Args:
        labelled: Labelled clips in the batch.
        b_s: Their share of it; with 0 or None, `labelled` is the size of the batch.
    """
    if not b_s:
        return labelled
    size = Decimal(labelled) / Decimal(repr(float(b_s)))
    return int(size.quantize(Decimal(1), ROUND_HALF_UP))


for _resolver in (batch_size, unless, label, run_name, run_of, probe_folder):
    OmegaConf.register_new_resolver(_resolver.__name__, _resolver, replace=True)
