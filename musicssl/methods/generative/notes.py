"""Encoders and decoder of spectrograms of single notes, with two groups of latent variables."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from musicssl.batch import Batch, valid_instances
from musicssl.errors import InputError
from musicssl.methods.generative.vae import Gaussian, gaussian_of
from musicssl.networks.classifier import READS_INSTANCES
from musicssl.networks.pooling import MeanPooling

_KERNEL = 3  # frames
_LOST = 2 * (_KERNEL - 1)  # frames by which two convolutions shorten a spectrogram


class NoteSpectrograms(nn.Module):
    """The first frames of clips, scaled so that the training clips are from -1 to 1.

    Frames that a clip does not have are -1, silence.

    Args:
        num_features: Features of a frame, F.
        num_instances: Frames of the longest clip, T.
        num_frames: Frames from the start that are used, K.

    Raises:
        InputError: If clips are shorter, or too short for the convolutions.
    """

    low: Tensor
    high: Tensor

    def __init__(self, num_features: int, num_instances: int, num_frames: int) -> None:
        super().__init__()
        if not _LOST < num_frames <= num_instances:
            raise InputError(
                f"method.num_frames={num_frames} must be from {_LOST + 1} to the {num_instances} "
                "instances of the longest clip; choose features=log_mel_frames, or set "
                "method.num_frames."
            )
        self.num_features = num_features
        self.num_frames = num_frames
        self.register_buffer("low", torch.tensor(0.0))
        self.register_buffer("high", torch.tensor(1.0))

    def fit(self, batches: Iterable[Batch]) -> None:
        """Find the least and the greatest value of the frames that are used."""
        low, high = float("inf"), float("-inf")
        for batch in batches:
            if batch.x.ndim != 3:
                raise InputError(READS_INSTANCES)
            x = batch.x[:, : self.num_frames]
            x = x if batch.lengths is None else x[self._valid(batch.lengths)]
            low, high = min(low, float(x.min())), max(high, float(x.max()))
        if not low < high:
            raise InputError(f"all values of the training clips are {low:g}; check their sound.")
        self.low.fill_(low)
        self.high.fill_(high)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Scale clips, (B, T, F) with the mask (B, T) of valid frames, to (B, F, K)."""
        scaled = 2 * (x[:, : self.num_frames] - self.low) / (self.high - self.low) - 1
        if valid is not None:
            scaled = scaled.where(valid[:, : self.num_frames, None], -1.0)
        short = self.num_frames - scaled.shape[1]  # a batch may hold short clips only
        return nn.functional.pad(scaled.mT, (0, short), value=-1.0)

    def unscaled(self, x: Tensor) -> Tensor:
        """Return spectrograms, (N, F, K), as frames in the units of the features, (N, K, F)."""
        return ((x + 1) / 2 * (self.high - self.low) + self.low).mT

    def _valid(self, lengths: Tensor) -> Tensor:
        return valid_instances(lengths, self.num_frames)


class NotePosterior(nn.Module):
    """q(z|x) of a spectrogram: two convolutions over time and a layer of all of their outputs.

    Args:
        num_features: Features of a frame, F, the channels of the first convolution.
        num_frames: Frames, K.
        units: Channels of the convolutions, and width of the layer.
        latent_dim: Z.
    """

    def __init__(self, num_features: int, num_frames: int, units: int, latent_dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(num_features, units, _KERNEL),
            *(nn.BatchNorm1d(units), nn.ReLU()),
            nn.Conv1d(units, units, _KERNEL),
            *(nn.BatchNorm1d(units), nn.ReLU()),
            nn.Flatten(),
            nn.Linear(units * (num_frames - _LOST), units),
            *(nn.BatchNorm1d(units), nn.ReLU()),
            nn.Linear(units, 2 * latent_dim),
        )

    def forward(self, x: Tensor) -> Gaussian:
        """Return q(z|x) of spectrograms, (B, F, K)."""
        return gaussian_of(self.layers(x))


class NoteEncoder(nn.Module):
    """q(z|x) of the frames of a clip.

    As the encoder of a `Classifier` it embeds a clip as the mean of q(z|x), a bag of one instance.

    Args:
        num_features: Features of a frame, F.
        num_instances: Frames of the longest clip, T.
        num_frames: See `NoteSpectrograms`.
        units: See `NotePosterior`.
        latent_dim: Z.
    """

    def __init__(
        self, num_features: int, num_instances: int, num_frames: int, units: int, latent_dim: int
    ) -> None:
        super().__init__()
        self.embed_dim = latent_dim
        self.spectrograms = NoteSpectrograms(num_features, num_instances, num_frames)
        self.posterior = NotePosterior(num_features, num_frames, units, latent_dim)

    def inputs(self, batch: Batch) -> Tensor:
        """Return the scaled spectrograms of a batch, (B, F, K).

        Raises:
            InputError: If the clips are sound.
        """
        if batch.x.ndim != 3:
            raise InputError(READS_INSTANCES)
        valid = None if batch.lengths is None else valid_instances(batch.lengths, batch.x.shape[1])
        scaled: Tensor = self.spectrograms(batch.x, valid)
        return scaled

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed clips, (B, T, F), as one vector each, (B, 1, Z)."""
        q: Gaussian = self.posterior(self.spectrograms(x, valid))
        return q.mean.unsqueeze(1), None


class NoteDecoder(nn.Module):
    """p(x|z): the layers of `NotePosterior` in reverse order, and a hyperbolic tangent.

    Args:
        latent_dim: Z, of all latent variables.
        units: See `NotePosterior`.
        num_features: Features of a frame, F.
        num_frames: Frames, K.
    """

    def __init__(self, latent_dim: int, units: int, num_features: int, num_frames: int) -> None:
        super().__init__()
        kept = num_frames - _LOST
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, units),
            *(nn.BatchNorm1d(units), nn.ReLU()),
            nn.Linear(units, units * kept),
            *(nn.BatchNorm1d(units * kept), nn.ReLU()),
            nn.Unflatten(1, (units, kept)),
            nn.ConvTranspose1d(units, units, _KERNEL),
            *(nn.BatchNorm1d(units), nn.ReLU()),
            nn.ConvTranspose1d(units, num_features, _KERNEL),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        """Return spectrograms in [-1, 1], (B, Z) -> (B, F, K)."""
        spectrograms: Tensor = self.layers(z)
        return spectrograms


class Components(nn.Module):
    """The components of a mixture of Gaussians of variance 1, with learned means.

    Args:
        latent_dim: Z.
        count: Number of components, C.

    Attributes:
        means: (C, Z); Xavier's uniform initialisation.
    """

    def __init__(self, latent_dim: int, count: int) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.empty(count, latent_dim))
        nn.init.xavier_uniform_(self.means)

    def forward(self, z: Tensor) -> Tensor:
        """Return log N(z; mean, 1) of each component, less a constant, (..., Z) -> (..., C)."""
        return -0.5 * (z.unsqueeze(-2) - self.means).square().sum(dim=-1)


class ComponentPooling(MeanPooling):
    """Classify by the components of the prior: logits are log N(z; mean, 1).

    Args:
        embed_dim: Z.
        num_classes: Number of classes and components, C.
    """

    classifier: Components  # type: ignore[assignment]

    def __init__(self, embed_dim: int, num_classes: int) -> None:
        super().__init__(embed_dim, num_classes)
        self.classifier = Components(embed_dim, num_classes)
