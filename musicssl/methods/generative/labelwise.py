"""M networks of the same shape with separate weights, stacked and trained as one.

Layers map (M, B, in) to (M, B, out) with one batched product instead of M small ones. The networks
do not affect each other: each learns the same as if it was trained alone.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, relu

from musicssl.networks.layers import Dropout
from musicssl.networks.pooling import Instances


class StackedLinear(nn.Module):
    """M linear layers, each initialised like `nn.Linear`.

    Args:
        num_models: Number of layers, M.
        in_features: Inputs of each layer.
        out_features: Outputs of each layer.
    """

    def __init__(self, num_models: int, in_features: int, out_features: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.empty(num_models, in_features, out_features))
        self.bias = nn.Parameter(torch.empty(num_models, 1, out_features))
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Apply each layer to its own rows, (M, B, in) -> (M, B, out)."""
        return torch.baddbmm(self.bias, x, self.weight)


class StackedMLP(nn.Module):
    """M stacks of layers, each followed by a (leaky) rectifier and dropout.

    Args:
        num_models: Number of stacks, M.
        widths: Widths of the input and of every layer; a single width makes an identity.
        dropout: Probability of dropping a unit after each layer, independently in each stack.
        slope: Slope of the rectifiers below 0.
    """

    def __init__(
        self, num_models: int, widths: Sequence[int], dropout: float = 0.0, slope: float = 0.0
    ) -> None:
        super().__init__()
        self.slope = slope
        self.layers = nn.ModuleList(StackedLinear(num_models, *w) for w in pairwise(widths))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Apply each stack to its own rows, (M, B, in) -> (M, B, out)."""
        for layer in self.layers:
            x = layer(x)
            x = self.dropout(leaky_relu(x, self.slope) if self.slope else relu(x))
        return x


class ConditionedMLP(nn.Module):
    """M networks whose first layer reads a vector and one of K values.

    The first layer's product with the vector is computed once for all values, because it takes most
    of the time if vectors are long.

    Args:
        num_models: Number of networks, M.
        num_values: Number of values, K.
        widths: Widths of the vector and of every hidden layer, at least one.
        out_features: Outputs of the last linear layer.
    """

    def __init__(
        self, num_models: int, num_values: int, widths: Sequence[int], out_features: int
    ) -> None:
        super().__init__()
        first = widths[1]
        self.of_vector = StackedLinear(num_models, widths[0], first)
        bound = 1 / math.sqrt(widths[0] + num_values)
        self.of_value = nn.Parameter(torch.empty(num_models, num_values, first))
        nn.init.uniform_(self.of_value, -bound, bound)
        self.rest = StackedMLP(num_models, widths[1:])
        self.last = StackedLinear(num_models, widths[-1], out_features)

    def given(self, x: Tensor, values: Tensor) -> Tensor:
        """Return the outputs, (M, B, out), for vectors, (M, B, in), and values, (M, B) int64."""
        models = torch.arange(len(x), device=x.device)[:, None]
        outputs: Tensor = self._after(self.of_vector(x) + self.of_value[models, values])
        return outputs

    def each(self, x: Tensor) -> Tensor:
        """Return the outputs for every value.

        Args:
            x: Vectors, the same for all values, (M, B, in), or different ones for each value,
                (M, K, B, in).

        Returns:
            Outputs, (M, K, B, out).
        """
        num_models, num_values, first = self.of_value.shape
        products = self.of_vector(x.flatten(1, -2))  # (M, B, first) or (M, K B, first)
        joined = products.view(num_models, -1, x.shape[-2], first) + self.of_value[:, :, None]
        outputs = self._after(joined.flatten(1, 2))  # value-major: all rows of the first value, ...
        return outputs.view(num_models, num_values, x.shape[-2], -1)

    def _after(self, first: Tensor) -> Tensor:
        outputs: Tensor = self.last(self.rest(relu(first)))
        return outputs


class LabelwiseEncoder(nn.Module):
    """The hidden layers of M classifiers of clips.

    As an encoder it embeds a clip as a bag of one instance: the concatenated last hidden layers of
    all M classifiers.

    Args:
        num_features: Features of an instance, F.
        num_instances: Instances of the longest clip, T.
        num_models: Number of classifiers, M.
        features: Builds, from `num_features` and `num_instances`, the module that computes the
            features: it maps clips, (B, T, F), and the mask of valid instances or None to (B, D),
            and has an attribute `dim`, D.
        hidden: Widths of the hidden layers.
        dropout: Probability of dropping a unit after each of them.
        slope: Slope of the rectifiers below 0.
    """

    def __init__(
        self,
        num_features: int,
        num_instances: int,
        num_models: int,
        features: Callable[..., Any],
        hidden: Sequence[int],
        dropout: float,
        slope: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_models = num_models
        self.embed_dim = num_models * hidden[-1]
        self.features = features(num_features=num_features, num_instances=num_instances)
        self.hidden = StackedMLP(num_models, (self.features.dim, *hidden), dropout, slope)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed clips, (B, T, F), as one vector each, (B, 1, M H)."""
        features = self.features(x, valid)  # (B, D)
        h = self.hidden(features.expand(self.num_models, *features.shape))  # (M, B, H)
        return h.transpose(0, 1).flatten(1).unsqueeze(1), None


class LabelwiseHead(nn.Module):
    """The linear layers of M classifiers, on the output of a `LabelwiseEncoder`.

    Args:
        embed_dim: Size of the encoder's output, M H.
        num_classes: Number of classes, C.
        num_models: Number of classifiers, M: either C with one logit each, or 1 with C logits.
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
        """Return the logits of the clip as those of its single instance, (B, 1, C)."""
        logits = self(h).unsqueeze(1)
        return Instances(logits, torch.zeros_like(logits))
