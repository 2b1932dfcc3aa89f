"""How the pieces that an encoder judges fit to the places of the labels in time."""

import math

import numpy as np

from musicssl.data.corpus import Corpus
from musicssl.errors import InputError


def samples_per_place(corpus: Corpus) -> int:
    """Count what lasts as long as one place of the activity: samples of sound, or one instance."""
    if isinstance(corpus.x, np.ndarray):
        return 1
    return round(corpus.instance_seconds * corpus.x.sample_rate)


def fits_places(chunk_samples: int | None, corpus: Corpus) -> bool:
    """Say whether chunks of an encoder of sound can be a whole number of places of the activity.

    Args:
        chunk_samples: Of the encoder; None for an encoder of instances.
        corpus: Whose places are meant.
    """
    return chunk_samples is None or chunk_samples % samples_per_place(corpus) == 0


def check_crops(chunk_samples: int | None, crop_seconds: float | None, corpus: Corpus) -> None:
    """See that crops are not shorter than what an encoder of sound embeds together.

    Raises:
        InputError: If they are; short clips are no reason.
    """
    if chunk_samples is None or crop_seconds is None or isinstance(corpus.x, np.ndarray):
        return
    rate = corpus.x.sample_rate
    if round(crop_seconds * rate) < chunk_samples:
        raise InputError(
            f"data.crop_seconds={crop_seconds:g} is shorter than the {chunk_samples} samples that "
            f"the encoder embeds together, and silence would fill the rest; raise it to at least "
            f"{math.ceil(chunk_samples / rate * 1e4) / 1e4:g}."
        )
