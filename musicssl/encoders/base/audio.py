"""What every encoder of sound shares: clips of any length are cut into chunks of one length."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from musicssl.batch import valid_instances
from musicssl.errors import InputError


class Chunks(NamedTuple):
    """Where the chunks of a batch of clips lie (K chunks of B clips).

    Attributes:
        clip: Which clip each chunk is of, (K,) int64, ascending.
        start: Its first sample, (K,) int64.
        new: The first sample of the clip that no earlier chunk holds, (K,) int64.
        length: Samples of its clip, (K,) int64.
    """

    clip: Tensor
    start: Tensor
    new: Tensor
    length: Tensor


class AudioEncoder(nn.Module, ABC):
    """Embed clips of sound, chunk by chunk, as one string of instances each.

    A subclass says how chunks of `chunk_samples` are embedded; the network never sees another
    length. In evaluation the network is given at most `slice_chunks` chunks at a time, so that an
    hour needs no more memory than a minute, its samples and its embeddings apart; in training all
    chunks are embedded at once, for the sake of batch norm.

    Args:
        chunk_samples: Samples that are embedded together, S0.
        embed_dim: Size of an embedding, D.
    """

    of_sound = True
    slice_chunks = 32

    def __init__(self, chunk_samples: int, embed_dim: int) -> None:
        super().__init__()
        self.chunk_samples = chunk_samples
        self.embed_dim = embed_dim

    @abstractmethod
    def embed(self, chunks: Tensor) -> Tensor:
        """Embed chunks of sound, (K, S0), as T' instances of equal duration each, (K, T', D)."""

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed clips, (B, S), whose first samples, `valid` (B, S) bool, are not padding.

        Chunks follow each other without a gap. A last one that would reach past its clip is moved
        back to end with it, so that it holds nothing but sound; of its instances those count whose
        centre no earlier chunk holds. A clip shorter than a chunk is followed by silence; of its
        instances those count whose centre lies in the clip, and the first one always.

        Returns:
            Embeddings, (B, T, D), zero where padded, and which of them are not padding, (B, T) bool
            or None if all are not. With one chunk, S = S0 and no `valid`, T is T'.

        Raises:
            InputError: If the batch holds instances, (B, T, F), and no sound.
        """
        if x.ndim != 2:
            name = type(self).__module__.rpartition(".")[2]  # its configuration has the same name
            raise InputError(
                f"encoder={name} reads sound, but the data are instances; add features=waveform."
            )
        if valid is None and x.shape[1] == self.chunk_samples:
            return self._in_slices(x), None
        chunks = cut(_lengths(x, valid), self.chunk_samples)
        embedded = self._in_slices(x, chunks)  # (K, T', D)
        counts = counting(chunks, self.chunk_samples, embedded.shape[1])  # (K, T')
        return _string_together(embedded, counts, chunks.clip, len(x))

    def _in_slices(self, x: Tensor, chunks: Chunks | None = None) -> Tensor:
        """Embed the chunks of `x`, which are its rows if no others are named."""
        total = len(x) if chunks is None else len(chunks.clip)
        learning = any(module.training for module in self.modules())  # a batch norm may be alone
        size = max(1, total) if learning else self.slice_chunks
        embedded = []
        for first in range(0, total, size):
            here = slice(first, first + size)
            part = x[here] if chunks is None else _samples(x, chunks, here, self.chunk_samples)
            embedded.append(self.embed(part))
        return torch.cat(embedded) if len(embedded) > 1 else embedded[0]


def cut(lengths: Tensor, chunk_samples: int) -> Chunks:
    """Lay chunks over clips of `lengths` samples, (B,).

    >>> chunks = cut(torch.tensor([25, 4]), 10)
    >>> chunks.clip.tolist(), chunks.start.tolist(), chunks.new.tolist()
    ([0, 0, 0, 1], [0, 10, 15, 0], [0, 10, 20, 0])
    """
    counts = ((lengths + chunk_samples - 1) // chunk_samples).clamp_min(1)  # (B,)
    clip = torch.arange(len(lengths), device=lengths.device).repeat_interleave(counts)  # (K,)
    place = torch.arange(len(clip), device=lengths.device) - (counts.cumsum(0) - counts)[clip]
    new, length = place * chunk_samples, lengths[clip]
    start = torch.minimum(new, (length - chunk_samples).clamp_min(0))
    return Chunks(clip, start, new, length)


def counting(chunks: Chunks, chunk_samples: int, num_instances: int) -> Tensor:
    """Say which of the T' instances of each chunk count, (K, T') bool.

    Those whose centre lies in the clip and in no earlier chunk; and the first one of a clip.

    >>> counting(cut(torch.tensor([25, 4]), 10), 10, num_instances=2).int().tolist()
    [[1, 1], [1, 1], [0, 1], [1, 0]]
    """
    odd = 2 * torch.arange(num_instances, device=chunks.start.device) + 1
    # Whole numbers, 2 T' to a sample, as halves of an instance must not be rounded.
    centre = 2 * num_instances * chunks.start[:, None] + odd * chunk_samples
    counts = (centre >= 2 * num_instances * chunks.new[:, None]) & (
        centre < 2 * num_instances * chunks.length[:, None]
    )
    counts[:, 0] |= chunks.new == 0
    return counts


def _lengths(x: Tensor, valid: Tensor | None) -> Tensor:
    if valid is None:
        return torch.full((len(x),), x.shape[1], device=x.device)
    return valid.sum(dim=1)


def _samples(x: Tensor, chunks: Chunks, here: slice, chunk_samples: int) -> Tensor:
    """Copy some of the chunks, (K, S0), with silence, whatever the padding holds, past a clip."""
    places = chunks.start[here, None] + torch.arange(chunk_samples, device=x.device)
    inside = places < chunks.length[here, None]
    sound = x[chunks.clip[here, None], places.clamp_max(x.shape[1] - 1)]
    return sound.masked_fill(~inside, 0)


def _string_together(
    embedded: Tensor, counts: Tensor, clip: Tensor, num_clips: int
) -> tuple[Tensor, Tensor | None]:
    """Gather the instances that count, (K, T', D), by clip, (B, T, D), in the order of time."""
    lengths = torch.zeros(num_clips, dtype=torch.int64, device=clip.device)
    lengths.index_add_(0, clip, counts.sum(dim=1))
    longest = int(lengths.max())
    valid = valid_instances(lengths, longest)
    strung = embedded.new_zeros(num_clips, longest, embedded.shape[2])
    strung[valid] = embedded[counts]
    return strung, None if bool(valid.all()) else valid
