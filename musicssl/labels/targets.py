"""From the labels of a table to targets and mask."""

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from musicssl.errors import InputError
from musicssl.labels.table import LabelTable


def choose_classes(table: LabelTable, chosen: Sequence[str] | None) -> tuple[str, ...]:
    """Return the chosen classes, or all of the table, sorted, if `chosen` is None.

    Raises:
        InputError: If no file of the table has a chosen class, or one is chosen twice.
    """
    counts = Counter(name for labels in table.labels.values() for name in labels)
    if chosen is None:
        return tuple(sorted(counts))
    for name in chosen:
        if name not in counts:
            guess = get_close_matches(name, counts, n=1)
            hint = f" (did you mean {guess[0]!r}?)" if guess else ""
            raise InputError(
                f"dataset.classes: no file is labelled {name!r}{hint}; leave it out or label some."
            )
    if len(set(chosen)) < len(chosen):
        raise InputError(f"dataset.classes names a class twice: {', '.join(chosen)}.")
    return tuple(chosen)


def targets(
    table: LabelTable, clip_ids: Sequence[str], classes: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Write the labels of some clips as `y` and `mask`, both (N, C).

    A clip with labels is observed for every class, also if it has none of them.
    """
    y = np.zeros((len(clip_ids), len(classes)), np.float32)
    mask = np.zeros(y.shape, bool)
    column = {name: index for index, name in enumerate(classes)}
    for row, clip_id in enumerate(clip_ids):
        labels = table.labels.get(clip_id, ())
        mask[row] = bool(labels)
        y[row, [column[name] for name in labels if name in column]] = 1
    return y, mask
