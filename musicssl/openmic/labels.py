"""What people said of the clips of OpenMIC-2018, as the table of its labels has it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicssl.annotation_table import read_table
from musicssl.errors import InputError
from musicssl.openmic.classes import CLASSES
from musicssl.openmic.folder import AGAIN, FEATURES, LABELS


class Labels(NamedTuple):
    """The labels of N clips.

    Attributes:
        relevance: 0.5 plus or minus half the confidence in the majority's answer, (N, 20) float64;
            without meaning where `mask` is False.
        mask: Which instruments people were asked about, (N, 20) bool.
    """

    relevance: NDArray[np.float64]
    mask: NDArray[np.bool_]

    def targets(self, threshold: float) -> NDArray[np.float32]:
        """Decide which instruments are present, (N, 20): observed, and as relevant as that.

        Raises:
            InputError: If the threshold is no relevance.
        """
        if not 0 < threshold <= 1:
            raise InputError(
                f"dataset.threshold is a relevance in (0, 1], not {threshold}; try 0.5."
            )
        return ((self.relevance >= threshold) & self.mask).astype(np.float32)


def read_labels(path: Path, keys: Sequence[str]) -> Labels:
    """Read the labels of some clips, which are all that the table has.

    Raises:
        InputError: If the table is unreadable or malformed.
    """
    row_of = {key: row for row, key in enumerate(keys)}
    column_of = {name: column for column, name in enumerate(CLASSES)}
    relevance = np.full((len(keys), len(CLASSES)), 0.5)
    mask = np.zeros(relevance.shape, dtype=bool)
    for place, row in read_table(path, ("sample_key", "instrument", "relevance"), AGAIN):
        key, instrument, text = row["sample_key"], row["instrument"], row["relevance"]
        value = _relevance(text)
        if key not in row_of or instrument not in column_of or value is None:
            raise InputError(
                f"{place} has no known clip, instrument and relevance in [0, 1] but {key!r}, "
                f"{instrument!r}, {text!r}; {AGAIN}."
            )
        cell = row_of[key], column_of[instrument]
        relevance[cell], mask[cell] = value, True
    return Labels(relevance, mask)


def check_same(rated: Labels, stored: Labels, keys: Sequence[str]) -> None:
    """Check the labels of the table against those of the npz.

    Raises:
        InputError: If one differs.
    """
    close = np.abs(rated.relevance - stored.relevance) < 1e-6
    same = (rated.mask == stored.mask) & (~stored.mask | close)
    if not same.all():
        row, column = np.argwhere(~same)[0]
        raise InputError(
            f"{LABELS} and {FEATURES} disagree in {(~same).sum()} labels, {CLASSES[column]!r} of "
            f"clip {keys[row]!r} being the first, so they do not belong together; {AGAIN}, or "
            "take those of the npz with dataset.labels=npz."
        )


def _relevance(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None
