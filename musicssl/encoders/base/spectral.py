"""The base class of encoders that start from log-mel spectra."""

from abc import abstractmethod
from typing import Self

import torch
from torch import Tensor, nn

from musicssl.audio.log_mel import LogMelFrontend
from musicssl.encoders.base.audio import AudioEncoder
from musicssl.errors import InputError
from musicssl.networks.spec_augment import SpecAugment


class SpectralEncoder(AudioEncoder):
    """Embed the log-mel spectra of chunks of sound, after a batch norm of one channel.

    This batch norm has no learnt gain and offset. The next layer has both, and the gradients of
    these two numbers alone would take two thirds of a training step of musicnn.

    A chunk has the `num_frames` frames that are centred in it. A frame centred on its end is the
    first frame of the next chunk, so that chunks of a whole number of hops together have as many
    frames as the clip.

    Attributes:
        keeps_norm: Whether the statistics of this batch norm stay as they are in training, as those
            of published weights do.

    Args:
        frontend: Computes the spectra.
        chunk_samples: Number of samples that are embedded together, S0.
        embed_dim: Size of an embedding, D.
        least_frames: Number of frames that the layers need.
        spec_augment: Hides parts of the normalised spectra while training; None for nothing.

    Raises:
        InputError: If a chunk has fewer frames, or is too short for the window.
    """

    def __init__(
        self,
        frontend: LogMelFrontend,
        chunk_samples: int,
        embed_dim: int,
        least_frames: int,
        spec_augment: SpecAugment | None = None,
    ) -> None:
        super().__init__(chunk_samples, embed_dim)
        name = type(self).__module__.rpartition(".")[2]  # also the name of its configuration
        least = max((least_frames - 1) * frontend.hop, frontend.n_fft // 2) + 1
        if chunk_samples < least:
            raise InputError(
                f"encoder.chunk_samples={chunk_samples} is too short for encoder={name}; "
                f"set it to at least {least}."
            )
        self.num_frames = -(-chunk_samples // frontend.hop)
        self.frontend = frontend
        self.norm: nn.Module = nn.BatchNorm2d(1, affine=False)
        self.keeps_norm = False
        self.spec_augment = spec_augment

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation."""
        super().train(mode)
        if self.keeps_norm:
            self.norm.eval()
        return self

    def embed(self, chunks: Tensor) -> Tensor:
        """Embed chunks of sound, (K, S0) -> (K, T', D)."""
        return self.embed_spectra(self.spectra(chunks))

    def spectra(self, chunks: Tensor) -> Tensor:
        """Return the normalised spectra of chunks of sound, (K, S0) -> (K, 1, F, T)."""
        spectra: Tensor = self.frontend(chunks)[..., : self.num_frames]  # (K, F, T)
        spectra = self.norm(spectra.unsqueeze(1))
        return spectra if self.spec_augment is None else self.spec_augment(spectra)

    def store_channels_last(self) -> None:
        """Store convolutions, and therefore their maps, with the channels next to each other.

        The results are equal but for rounding, and a step on a CPU takes 0.7 to 0.9 of the time. An
        encoder calls this after its layers are made, if it gains from it: musicnn does not, because
        its filters are tall.
        """
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @abstractmethod
    def embed_spectra(self, spectra: Tensor) -> Tensor:
        """Embed normalised spectra, (K, 1, F, T) -> (K, T', D)."""
