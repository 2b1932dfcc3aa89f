"""A second corpus, for its audio alone: which of its clips may be trained on."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from musicssl.data.corpus import Corpus
from musicssl.errors import InputError

_log = logging.getLogger(__name__)


def training_pool(other: Corpus, corpus: Corpus, held_out: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose the clips that train as unlabelled ones.

    They are the training clips of the second corpus, but for those that are known to come from the
    same recording as a clip that validates or tests.

    Args:
        other: The second corpus.
        corpus: The first one.
        held_out: Rows of the first that validate or test.

    Returns:
        Rows of the second.

    Raises:
        InputError: If there is none.
    """
    pool = other.indices("train")
    if corpus.sources is not None and other.sources is not None:
        known = np.isin(other.sources[pool], corpus.sources[held_out])
        if known.any():
            _log.info(
                "clips of %s left out because they validate or test in %s: %d",
                other.name,
                corpus.name,
                known.sum(),
            )
        pool = pool[~known]
    if len(pool) == 0:
        raise InputError(f"{other.name} has no training clips to draw from; choose another corpus.")
    return pool


@contextmanager
def told_of_the_second() -> Iterator[None]:
    """Say of a mistake that it is about the second corpus, whose settings have another name."""
    try:
        yield
    except InputError as error:
        raise InputError(
            f"the second corpus (its settings are unlabelled.root, unlabelled.unreadable and so "
            f"on, in place of data. and dataset.): {error}"
        ) from error
