"""Label frames: the grid of labels in time, and whether an encoder's instances fit to it."""

import math

from musicssl.data.corpus import Corpus
from musicssl.errors import InputError


def samples_per_label_frame(corpus: Corpus) -> int:
    """Return the length of a label frame of `Corpus.activity`: in samples, or 1 for instances."""
    rate = corpus.sample_rate
    return 1 if rate is None else round(corpus.instance_seconds * rate)


def fits_label_frames(chunk_samples: int | None, corpus: Corpus) -> bool:
    """Return whether the chunks of an encoder of sound are a whole number of label frames.

    Args:
        chunk_samples: Samples that the encoder embeds together; None for an encoder of instances.
        corpus: The corpus with labels in time.
    """
    return chunk_samples is None or chunk_samples % samples_per_label_frame(corpus) == 0


def check_crops(chunk_samples: int | None, crop_seconds: float | None, corpus: Corpus) -> None:
    """Check that crops are at least as long as a chunk, the samples an encoder embeds together.

    Raises:
        InputError: If `crop_seconds` is shorter. Clips may be shorter; they are padded.
    """
    rate = corpus.sample_rate
    if chunk_samples is None or crop_seconds is None or rate is None:
        return
    if round(crop_seconds * rate) < chunk_samples:
        raise InputError(
            f"data.crop_seconds={crop_seconds:g} is shorter than the {chunk_samples} samples that "
            f"the encoder embeds together, and the rest would be silence; raise it to at least "
            f"{math.ceil(chunk_samples / rate * 1e4) / 1e4:g}."
        )
