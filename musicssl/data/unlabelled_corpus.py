"""The unlabelled corpus, a second corpus of which only the audio is used."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from musicssl.data.corpus import Corpus
from musicssl.data.outline import Outline
from musicssl.data.splits import used_unlabelled
from musicssl.errors import InputError

_SETTING = re.compile(r"\bdataset\.|\bdata\.(?=(?:root|labels|cache)\b)")
_log = logging.getLogger(__name__)


def training_pool(other: Corpus, corpus: Corpus, held_out: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose the clips of the unlabelled corpus that are used in training.

    These are its training clips, without those that come from the same recording as a validation or
    test clip of the labelled corpus, if both corpora name their recordings.

    Args:
        other: The unlabelled corpus.
        corpus: The labelled corpus.
        held_out: Rows of the validation and test clips of the labelled corpus.

    Returns:
        Rows of the unlabelled corpus.

    Raises:
        InputError: If no clip is left.
    """
    pool = other.indices("train")
    if corpus.sources is not None and other.sources is not None:
        shared = np.isin(other.sources[pool], corpus.sources[held_out])
        if shared.any():
            _log.info(
                "clips of %s left out because they validate or test in %s: %d",
                other.name,
                corpus.name,
                shared.sum(),
            )
        pool = pool[~shared]
    if len(pool) == 0:
        raise InputError(f"{other.name} has no training clips to draw from; choose another corpus.")
    return pool


def used_pool(
    other: Corpus, corpus: Corpus, held_out: NDArray[np.int64], u_s: float, seed: int
) -> NDArray[np.int64]:
    """Draw the share of the training clips of the unlabelled corpus that a run uses.

    Args:
        other: The unlabelled corpus.
        corpus: The labelled corpus.
        held_out: Rows of the validation and test clips of the labelled corpus.
        u_s: Fraction of the clips that are used, in [0, 1].
        seed: Seed of the draw.

    Returns:
        Rows of the unlabelled corpus.

    Raises:
        InputError: If no clip is left, or the features of the corpora differ.
    """
    pool = training_pool(other, corpus, held_out)
    check_same_features(corpus, other)
    pool = used_unlabelled(pool, u_s, seed, order_of=pool)
    if len(pool) == 0:
        raise InputError(
            f"data.u_s={u_s:g} leaves no clip of the unlabelled corpus; raise data.u_s."
        )
    return pool


def check_same_features(corpus: Corpus | Outline, other: Corpus | Outline) -> None:
    """Check that clips of both corpora, or of their outlines, fit in one batch.

    Raises:
        InputError: If their features differ.
    """
    names = ("is_sound", "num_features", "tokens")
    if any(getattr(corpus, name) != getattr(other, name) for name in names):
        raise InputError(
            f"the clips of {corpus.name} and of unlabelled={other.name} have different "
            "features; choose features that both have, such as features=log_mel or "
            "features=waveform."
        )


@contextmanager
def prefix_errors() -> Iterator[None]:
    """Name the settings of the unlabelled corpus in errors, such as `unlabelled.root`."""
    try:
        yield
    except InputError as error:
        message = _SETTING.sub("unlabelled.", str(error))
        raise InputError(f"the unlabelled corpus (unlabelled=...): {message}") from error
