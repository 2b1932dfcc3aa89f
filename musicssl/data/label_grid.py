"""How the pieces that an encoder judges fit to the places of the labels in time."""

import math

from musicssl.data.corpus import Corpus
from musicssl.errors import InputError


def samples_per_place(corpus: Corpus) -> int:
    """Count what lasts as long as one place of the activity: samples of sound, or one instance."""
    rate = corpus.sample_rate
    return 1 if rate is None else round(corpus.instance_seconds * rate)


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
    rate = corpus.sample_rate
    if chunk_samples is None or crop_seconds is None or rate is None:
        return
    if round(crop_seconds * rate) < chunk_samples:
        raise InputError(
            f"data.crop_seconds={crop_seconds:g} is shorter than the {chunk_samples} samples that "
            f"the encoder embeds together, and silence would fill the rest; raise it to at least "
            f"{math.ceil(chunk_samples / rate * 1e4) / 1e4:g}."
        )
