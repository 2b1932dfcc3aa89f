"""q(y|x) of M models side by side, in the form of an encoder and a pooling."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from musicssl.generative.stacked import StackedLinear, StackedMLP
from musicssl.networks.pooling import Instances


class LabelwiseEncoder(nn.Module):
    """The hidden layers of M classifiers of clips.

    As an encoder it embeds a clip as a bag of one instance: the last hidden layers of all M, one
    after another.

    Args:
        num_features: Features of an instance, F.
        num_instances: Instances of the longest clip, T.
        num_models: M.
        features: Builds what the classifiers read from `num_features` and `num_instances`: it maps
            clips, (B, T, F), and the mask of valid instances or None to (B, D), and has `dim`, D.
        hidden: Widths of the hidden layers.
        dropout: Probability of dropping a unit after each of them.
    """

    def __init__(
        self,
        num_features: int,
        num_instances: int,
        num_models: int,
        features: Callable[..., Any],
        hidden: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.num_models = num_models
        self.embed_dim = num_models * hidden[-1]
        self.features = features(num_features=num_features, num_instances=num_instances)
        self.hidden = StackedMLP(num_models, (self.features.dim, *hidden), dropout)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed clips, (B, T, F), as one vector each, (B, 1, M H)."""
        features = self.features(x, valid)  # (B, D)
        h = self.hidden(features.expand(self.num_models, *features.shape))  # (M, B, H)
        return h.transpose(0, 1).flatten(1).unsqueeze(1), None


class LabelwiseHead(nn.Module):
    """The linear layers of M classifiers, on what a `LabelwiseEncoder` makes of a clip.

    Args:
        embed_dim: M H.
        num_classes: C.
        num_models: M: C, with one logit each, or 1, with C.
    """

    def __init__(self, embed_dim: int, num_classes: int, num_models: int) -> None:
        super().__init__()
        self.classifier = StackedLinear(
            num_models, embed_dim // num_models, num_classes // num_models
        )

    def forward(self, h: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the logits of clips, (B, 1, M H) -> (B, C)."""
        of_models = h.view(len(h), len(self.classifier.weight), -1)  # (B, M, H)
        logits: Tensor = self.classifier(of_models.transpose(0, 1))  # (M, B, C / M)
        return logits.transpose(0, 1).flatten(1)

    def instances(self, h: Tensor, valid: Tensor | None = None) -> Instances:
        """Return the decision about the clip as that about its one instance, (B, 1, C)."""
        logits = self(h).unsqueeze(1)
        return Instances(logits, torch.zeros_like(logits))
