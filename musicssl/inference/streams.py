"""Long recordings in pieces: the same input for a network as from the whole recording at once."""

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_MARGIN_SECONDS = 2.0  # of sound on both sides of a piece that its features may depend on
_PIECE_SECONDS = 120.0  # of features that are computed together
_LONGEST_SECONDS = 600.0  # of a piece; where even that would shift frames, there is one piece


def segments(blocks: Iterable[Samples], size: int, least: int, reach: int = 0) -> Iterator[Samples]:
    """Yield sound in segments of `size` samples, and a last one of `least` or more.

    The last one is shorter than `least` only if the recording is.

    Args:
        blocks: Blocks of sound, (S,) each, in order.
        size: A multiple of `least`.
        least: Length of the chunks that an encoder embeds together.
        reach: Samples that follow a segment, up to `least`, which it ends with and which the next
            one begins with.
    """
    buffer = _Buffer()
    for block in blocks:
        buffer.append(block)
        while buffer.samples >= size + least:
            yield buffer.first(size + reach)
            buffer.drop(size)
    yield buffer.first(buffer.samples)


def stream_instances(
    features: Any, blocks: Iterable[Samples], piece_seconds: float = _PIECE_SECONDS
) -> Iterator[NDArray[np.float32]]:
    """Yield the instances of a recording, (T, F) each, as `features` computes from all of it.

    Pieces begin where an instance begins with a whole frame, and overlap, so that each frame
    sees the sound around it. Only at the ends of the recording is there none.

    Args:
        features: Such as `musicssl.audio.log_mel.LogMel`.
        blocks: Blocks of sound at its sample rate, (S,) each, in order.
        piece_seconds: Duration of a piece, about.

    Raises:
        InputError: If the recording is too short for an instance.
    """
    period = _period(features)
    if period is None:
        yield features(np.concatenate([np.zeros(0, np.float32), *blocks]))
        return
    instances, samples = period
    rate = features.sample_rate
    margin = math.ceil(
        (_MARGIN_SECONDS + features.instance_seconds) * rate / samples
    )  # in periods, as all that follows
    inside = max(1, round(piece_seconds * rate / samples))
    before = 0  # periods in the buffer that belong to the piece before
    buffer = _Buffer()
    for block in blocks:
        buffer.append(block)
        while buffer.samples >= (before + inside + 2 * margin) * samples:
            piece = buffer.first((before + inside + margin) * samples)
            yield features(piece)[before * instances : (before + inside) * instances]
            used = max(0, before + inside - margin)
            buffer.drop(used * samples)
            before += inside - used
    yield features(buffer.first(buffer.samples))[before * instances :]


class _Buffer:
    """Sound that was read and is still needed; blocks are joined only when they are used."""

    def __init__(self) -> None:
        self._blocks: list[Samples] = []
        self.samples = 0

    def append(self, block: Samples) -> None:
        """Add samples at the end."""
        self._blocks.append(block)
        self.samples += len(block)

    def first(self, count: int) -> Samples:
        """Return the first samples, which stay."""
        self._blocks = [np.concatenate([np.zeros(0, np.float32), *self._blocks])]
        return self._blocks[0][:count]

    def drop(self, count: int) -> None:
        """Remove the first samples, after `first`."""
        self._blocks[0] = self._blocks[0][count:]
        self.samples -= count


def _period(features: Any) -> tuple[int, int] | None:
    """Return after how many instances, and samples, instances begin with a whole frame again.

    None if that is not known, or takes too long.
    """
    per_second = getattr(features, "frames_per_second", None)
    if not isinstance(per_second, int) or not getattr(features, "is_local", False):
        return None
    hop = features.sample_rate // per_second
    length = Fraction(str(features.hop_seconds)) * features.sample_rate  # from one to the next
    instances = (length / hop).denominator
    samples = instances * length
    if samples > _LONGEST_SECONDS * features.sample_rate:
        return None
    return instances, int(samples)
