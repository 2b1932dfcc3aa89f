"""Strong labels: the exact activity of each class in each instance."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicssl.datasets.synthesis.compose import Part
from musicssl.datasets.synthesis.instruments import CLASSES

MIN_SOUNDING_SECONDS = 0.05


def activity(
    parts: Sequence[Part], num_instances: int, instance_seconds: float
) -> NDArray[np.bool_]:
    """Return the activity of each class in each instance.

    A class is active in an instance if one of its notes sounds in it for `MIN_SOUNDING_SECONDS`, or
    for half the instance if that is shorter. Notes are at least twice as long, so that every part
    is active in at least one instance. A note sounds from its start for its duration, without the
    release of the sound (about 0.05 s) and the room's reverberation.

    Args:
        parts: The parts of the clip.
        num_instances: Number of instances of the clip, T.
        instance_seconds: Their duration, in seconds; they tile the clip from its start.

    Returns:
        True where a class is active, (T, C) bool.
    """
    needed = min(MIN_SOUNDING_SECONDS, instance_seconds / 2)
    left = np.arange(num_instances)[:, None] * instance_seconds  # (T, 1)
    active = np.zeros((num_instances, len(CLASSES)), dtype=bool)
    for part in parts:
        begin = np.maximum(left, part.starts)
        end = np.minimum(left + instance_seconds, part.starts + part.durations)
        active[:, part.column] |= (end - begin >= needed - 1e-9).any(axis=1)
    return active
