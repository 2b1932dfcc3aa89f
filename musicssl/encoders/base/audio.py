"""The base class of encoders of sound: clips of any length are cut into chunks of one length."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from musicssl.batch import valid_instances
from musicssl.errors import InputError


class Chunks(NamedTuple):
    """The positions of the chunks of a batch of clips (K chunks of B clips).

    Attributes:
        clip: Index of the clip of each chunk, (K,) int64, ascending.
        start: First sample of the chunk, (K,) int64.
        new: First sample of the clip that is not in an earlier chunk, (K,) int64.
        length: Number of samples of the clip, (K,) int64.
    """

    clip: Tensor
    start: Tensor
    new: Tensor
    length: Tensor


Embedded = tuple[Tensor, Tensor | None]  # (B, T, D), and the mask of what is no padding, (B, T)


class AudioEncoder(nn.Module, ABC):
    """Embed clips of sound, chunk by chunk, as one sequence of instances each.

    A subclass embeds chunks of `chunk_samples`; the network never gets another length. In
    evaluation the network gets at most `slice_chunks` chunks at a time, so that, apart from samples
    and embeddings, an hour needs no more memory than a minute; in training all chunks are embedded
    at once, because of batch norm.

    Class attributes:
        reach: Number of samples after a chunk that its last instances need as well, less than half
            an instance. `embed` then gets chunks with what comes next in the clip, or silence after
            its end, (K, S0 + reach), and takes chunks without as if silence followed.

    Args:
        chunk_samples: Number of samples that are embedded together, S0.
        embed_dim: Size of an embedding, D.
    """

    of_sound = True
    slice_chunks = 32
    reach = 0

    def __init__(self, chunk_samples: int, embed_dim: int) -> None:
        super().__init__()
        self.chunk_samples = chunk_samples
        self.embed_dim = embed_dim

    @property
    def _heard(self) -> int:
        """Number of samples that `embed` gets of a chunk."""
        return self.chunk_samples + self.reach

    @abstractmethod
    def embed(self, chunks: Tensor) -> Tensor:
        """Embed chunks of sound, (K, S0), as T' instances of equal duration each, (K, T', D)."""

    def embed_with_stages(self, chunks: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Embed chunks of sound, (K, S0), and return the features of the network's stages too.

        An encoder without stages of its own has one, its embedding.

        Returns:
            The embeddings, (K, T', D), and the features of each stage in time, from the first to
            the last, (K, T'_s, D_s).
        """
        embedded = self.embed(chunks)
        return embedded, [embedded]

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Embedded:
        """Embed clips, (B, S), whose first samples, `valid` (B, S) bool, are not padding.

        Chunks follow each other without a gap. If the last chunk would reach beyond its clip, it is
        moved back to end with the clip, so that it has no padding; only those of its instances are
        used whose centre is in no earlier chunk. A clip shorter than a chunk is padded with
        silence; only those of its instances are used whose centre lies in the clip, but always the
        first one.

        Returns:
            Embeddings, (B, T, D), zero for padding, and the mask of those that are not padding,
            (B, T) bool, or None if there is no padding. With one chunk, S = S0 and no `valid`, T is
            T'.

        Raises:
            InputError: If the batch has instances, (B, T, F), instead of sound.
        """
        return self._of_clips(lambda chunks: [self.embed(chunks)], x, valid)[0]

    def with_stages(
        self, x: Tensor, valid: Tensor | None = None
    ) -> tuple[Embedded, list[Embedded]]:
        """Embed clips, and return the features of the network's stages too.

        Returns:
            What `forward` returns, and the same for each stage; see `embed_with_stages`.
        """

        def both(chunks: Tensor) -> list[Tensor]:
            embedded, stages = self.embed_with_stages(chunks)
            return [embedded, *stages]

        embedded, *stages = self._of_clips(both, x, valid)
        return embedded, stages

    def _of_clips(
        self, embed: Callable[[Tensor], list[Tensor]], x: Tensor, valid: Tensor | None
    ) -> list[Embedded]:
        """Apply to clips a function that returns several features of chunks; see `forward`."""
        if x.ndim != 2:
            name = type(self).__module__.rpartition(".")[2]  # also the name of its configuration
            raise InputError(
                f"encoder={name} reads sound, but the data are instances; add features=waveform."
            )
        if valid is None and x.shape[1] == self.chunk_samples:
            return [(features, None) for features in self._in_slices(embed, x)]
        if valid is None:
            return self._of_equal_clips(embed, x)
        chunks = cut(_lengths(x, valid), self.chunk_samples)
        found = []
        for features in self._in_slices(embed, x, chunks):  # (K, T', D)
            used = used_instances(chunks, self.chunk_samples, features.shape[1])  # (K, T')
            found.append(_concatenate(features, used, chunks.clip, len(x)))
        return found

    def _of_equal_clips(self, embed: Callable[[Tensor], list[Tensor]], x: Tensor) -> list[Embedded]:
        """Apply a function to clips of the same length, as `_of_clips` does.

        Their chunks are slices whose places follow from the length: the host waits for nothing.
        """
        num_samples, size = x.shape[1], self.chunk_samples
        last = max(num_samples - size, 0)  # where the last chunk starts
        starts = [min(new, last) for new in range(0, max(num_samples, 1), size)]
        padded = pad(x, (0, max(0, last + self._heard - num_samples)))
        chunks = torch.stack([padded[:, start : start + self._heard] for start in starts], dim=1)
        found: list[Embedded] = []
        for features in self._in_slices(embed, chunks.flatten(0, 1)):  # (B K, T', D)
            by_clip = features.reshape(len(x), len(starts), *features.shape[1:])  # (B, K, T', D)
            kept = used_of_clip(num_samples, size, features.shape[1])
            parts = [by_clip[:, k, first:end] for k, (first, end) in enumerate(kept)]
            found.append((torch.cat(parts, dim=1), None))
        return found

    def _in_slices(
        self, embed: Callable[[Tensor], list[Tensor]], x: Tensor, chunks: Chunks | None = None
    ) -> list[Tensor]:
        """Embed chunks of `x`; if `chunks` is None, every row is a chunk."""
        total = len(x) if chunks is None else len(chunks.clip)
        training = any(module.training for module in self.modules())  # maybe only a batch norm
        size = max(1, total) if training else self.slice_chunks
        embedded = []
        for first in range(0, total, size):
            rows = slice(first, first + size)
            part = x[rows] if chunks is None else _samples(x, chunks, rows, self._heard)
            embedded.append(embed(part))
        if len(embedded) == 1:
            return embedded[0]
        return [torch.cat(parts) for parts in zip(*embedded, strict=True)]


def cut(lengths: Tensor, chunk_samples: int) -> Chunks:
    """Cut clips of `lengths` samples, (B,), into chunks.

    >>> chunks = cut(torch.tensor([25, 4]), 10)
    >>> chunks.clip.tolist(), chunks.start.tolist(), chunks.new.tolist()
    ([0, 0, 0, 1], [0, 10, 15, 0], [0, 10, 20, 0])
    """
    counts = ((lengths + chunk_samples - 1) // chunk_samples).clamp_min(1)  # (B,)
    clip = torch.arange(len(lengths), device=lengths.device).repeat_interleave(counts)  # (K,)
    index = torch.arange(len(clip), device=lengths.device) - (counts.cumsum(0) - counts)[clip]
    new, length = index * chunk_samples, lengths[clip]
    start = torch.minimum(new, (length - chunk_samples).clamp_min(0))
    return Chunks(clip, start, new, length)


def used_of_clip(num_samples: int, chunk_samples: int, num_instances: int) -> list[tuple[int, int]]:
    """Return which of the T' instances of each chunk of one clip are used; see `used_instances`.

    Returns:
        The first of them, and the one after the last, for each chunk.

    >>> used_of_clip(25, 10, num_instances=2), used_of_clip(4, 10, num_instances=2)
    ([(0, 2), (0, 2), (1, 2)], [(0, 1)])
    """
    ranges = []
    for new in range(0, max(num_samples, 1), chunk_samples):
        start = min(new, max(num_samples - chunk_samples, 0))
        # Instance i has its centre at start + (2 i + 1) chunk_samples / (2 T').
        first, end = (
            -((chunk_samples - 2 * num_instances * (place - start)) // (2 * chunk_samples))
            for place in (new, num_samples)
        )
        end = min(max(end, 1 if new == 0 else 0), num_instances)
        ranges.append((min(max(first, 0), end), end))
    return ranges


def used_instances(chunks: Chunks, chunk_samples: int, num_instances: int) -> Tensor:
    """Return the mask of those of the T' instances of each chunk that are used, (K, T') bool.

    These are the instances whose centre lies in the clip and in no earlier chunk, and the first
    instance of a clip.

    >>> used_instances(cut(torch.tensor([25, 4]), 10), 10, num_instances=2).int().tolist()
    [[1, 1], [1, 1], [0, 1], [1, 0]]
    """
    odd = 2 * torch.arange(num_instances, device=chunks.start.device) + 1
    # Integers, in units of 1 / (2 T') samples, so that half an instance need not be rounded.
    centre = 2 * num_instances * chunks.start[:, None] + odd * chunk_samples
    used = (centre >= 2 * num_instances * chunks.new[:, None]) & (
        centre < 2 * num_instances * chunks.length[:, None]
    )
    used[:, 0] |= chunks.new == 0
    return used


@torch.inference_mode()
def instance_times(
    encoder: AudioEncoder, num_samples: int, device: torch.device
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the instances of one clip begin and end, in samples, (T,) each.

    Args:
        encoder: Encoder whose instances these are; it embeds one chunk of silence.
        num_samples: Length of the clip.
        device: On which the encoder is.
    """
    size = encoder.chunk_samples
    count = encoder.embed(torch.zeros(1, size, device=device)).shape[1]  # T'
    chunks = cut(torch.tensor([num_samples]), size)
    used = used_instances(chunks, size, count)
    begin = chunks.start[:, None] + torch.arange(count).double() * size / count
    kept = begin[used].numpy()
    return kept, kept + size / count


def _lengths(x: Tensor, valid: Tensor | None) -> Tensor:
    if valid is None:
        return torch.full((len(x),), x.shape[1], device=x.device)
    return valid.sum(dim=1)


def _samples(x: Tensor, chunks: Chunks, rows: slice, chunk_samples: int) -> Tensor:
    """Copy some of the chunks, (K, S0), with silence instead of a clip's padding."""
    positions = chunks.start[rows, None] + torch.arange(chunk_samples, device=x.device)
    inside = positions < chunks.length[rows, None]
    sound = x[chunks.clip[rows, None], positions.clamp_max(x.shape[1] - 1)]
    return sound.masked_fill(~inside, 0)


def _concatenate(
    embedded: Tensor, used: Tensor, clip: Tensor, num_clips: int
) -> tuple[Tensor, Tensor | None]:
    """Concatenate the used instances of each clip in time: (K, T', D) -> (B, T, D)."""
    lengths = torch.zeros(num_clips, dtype=torch.int64, device=clip.device)
    lengths.index_add_(0, clip, used.sum(dim=1))
    longest = int(lengths.max())
    valid = valid_instances(lengths, longest)
    sequences = embedded.new_zeros(num_clips, longest, embedded.shape[2])
    sequences[valid] = embedded[used]
    return sequences, None if bool(valid.all()) else valid
