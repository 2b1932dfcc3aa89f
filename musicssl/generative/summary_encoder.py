"""A plain network on one vector per clip, in the form of an encoder."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from musicssl.generative.clip_summary import ClipSummary
from musicssl.networks.layers import Dropout


class SummaryEncoder(nn.Module):
    """Embed a clip by fully connected layers on its summary: a bag of one instance.

    Args:
        num_features: Features of an instance, F.
        num_instances: Instances of the longest clip, T.
        summary: Kind of a `ClipSummary`.
        standardised: See `ClipSummary`.
        hidden: Widths of the layers, each with a rectifier and dropout.
        dropout: Probability of dropping a unit after each of them.
    """

    def __init__(
        self,
        num_features: int,
        num_instances: int,
        summary: str,
        standardised: bool,
        hidden: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.embed_dim = hidden[-1]
        self.summary = ClipSummary(num_features, num_instances, summary, standardised)
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise((self.summary.dim, *hidden)):
            layers += [nn.Linear(width_in, width_out), nn.ReLU(), Dropout(dropout)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed clips, (B, T, F), as one vector each, (B, 1, H)."""
        embedded: Tensor = self.layers(self.summary(x, valid))
        return embedded.unsqueeze(1), None
