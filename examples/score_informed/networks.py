"""The networks of Huang et al. 2020 for pitch contours and scores, as encoders and poolings.

Instances are frames with three features, in MIDI pitch / 128: the contour, the aligned score and
the score by itself; see `pieces`. Sizes are those of the authors' code.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, interpolate

from musicssl.errors import InputError
from musicssl.networks.pooling import Instances, MeanPooling, Pooling

Embedded = tuple[Tensor, Tensor | None]
_WIDTHS = (4, 8, 16, 16)


def _convolutions(channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in _WIDTHS:
        layers += [nn.Conv1d(channels, width, 7, 3, padding=3), nn.BatchNorm1d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers)


class ContourNet(nn.Module):
    """PCConvNet, which sees the contour, or SIConvNet, which sees the aligned score, too.

    Args:
        num_features: 3.
        num_instances: Not used.
        with_score: Whether it is SIConvNet.
    """

    embed_dim = _WIDTHS[-1]

    def __init__(
        self, num_features: int, num_instances: int | None = None, with_score: bool = False
    ) -> None:
        super().__init__()
        _check(num_features)
        self.channels = 2 if with_score else 1
        self.layers = _convolutions(self.channels)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Embedded:
        """Map frames, (B, T, 3), to embeddings, (B, T / 81, 16)."""
        return self.layers(x[..., : self.channels].transpose(1, 2)).transpose(1, 2), None


class JointEmbedNet(nn.Module):
    """Two encoders, of the contour and of the aligned score, for a pooling that compares them."""

    embed_dim = 2 * _WIDTHS[-1]

    def __init__(self, num_features: int, num_instances: int | None = None) -> None:
        super().__init__()
        _check(num_features)
        self.of_contour, self.of_score = _convolutions(1), _convolutions(1)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Embedded:
        """Map frames, (B, T, 3), to both embeddings side by side, (B, 1, 32)."""
        pair = (self.of_contour, x[:, None, :, 0]), (self.of_score, x[:, None, :, 1])
        means = [encoder(channel).mean(dim=2) for encoder, channel in pair]
        return torch.cat(means, dim=1)[:, None], None


class DistMatNet(nn.Module):
    """A residual network on the matrix of distances between contour and score.

    Args:
        num_features: 3.
        num_instances: Not used.
        size: Frames to which both are resampled.
        dropout: In the blocks and before the last layer.
    """

    embed_dim = 128

    def __init__(
        self,
        num_features: int,
        num_instances: int | None = None,
        size: int = 600,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        _check(num_features)
        self.size = size
        pairs = [(Residual(4, dropout), nn.MaxPool2d(3)) for _ in range(2)]
        blocks = [layer for pair in pairs for layer in pair]
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, 3), *blocks, Residual(4, dropout), nn.Conv2d(4, 4, 3, 3)
        )
        left = (size // 3 // 3 // 3) // 3
        if left < 1:
            raise InputError(f"encoder.size must be 81 or more, got {size}.")
        self.dense = nn.Sequential(
            nn.Flatten(), nn.Linear(4 * left**2, 128), nn.ReLU(), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Embedded:
        """Map frames, (B, T, 3), to an embedding, (B, 1, 128)."""
        return self.dense(self.layers(self.matrix(x)[:, None]))[:, None], None

    def matrix(self, x: Tensor) -> Tensor:
        """Return the distances of the resampled contour and score, (B, T, 3) -> (B, S, S)."""
        contour, _, score = interpolate(x.transpose(1, 2), self.size).unbind(dim=1)
        return (contour[:, :, None] - score[:, None]).abs()


class Residual(nn.Module):
    """Two 3 x 3 convolutions with batch norm, dropout between them, and a shortcut."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width, momentum=0.5)),
            *(nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width, momentum=0.5)),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, W, S, S)."""
        summed: Tensor = (maps + self.layers(maps)).relu()
        return summed


class EndedMean(MeanPooling):
    """The mean over time with a function at the end of the linear layer.

    Args:
        end: "leaky_relu" or "sigmoid". PCConvNet of the authors ends with ReLU, under which a
            network that starts below 0 never learns; it gets the LeakyReLU of SIConvNet, too.
        parts: See `Pooling`.
    """

    def __init__(self, *, end: str = "leaky_relu", **parts: Any) -> None:
        super().__init__(**parts)
        self.end: nn.Module = {"leaky_relu": nn.LeakyReLU, "sigmoid": nn.Sigmoid}[end]()

    def clip_logits(self, instances: Instances) -> Tensor:
        """Return the predictions, (B, C)."""
        predictions: Tensor = self.end(super().clip_logits(instances))
        return predictions


class Cosine(Pooling):
    """The cosine of the two halves of an embedding is the prediction, of one rating."""

    def instances(self, h: Tensor, valid: Tensor | None = None) -> Instances:
        """Compare the halves."""
        contour, score = h.chunk(2, dim=2)
        cosine = cosine_similarity(contour, score, dim=2)[..., None]  # (B, 1, 1)
        return Instances(cosine, torch.zeros_like(cosine))


def _check(num_features: int) -> None:
    if num_features != 3:
        raise InputError(
            "these encoders read contours with scores; choose dataset=performances or fba."
        )
