"""FC: all instances of a clip in one long vector."""

from itertools import pairwise

from torch import Tensor, nn

from musicssl.errors import InputError
from musicssl.networks.layers import Dropout
from musicssl.networks.standardise import standardise as standardise_layer


class FullyConnected(nn.Module):
    """Flatten a clip and pass it through three layers (Linear, LeakyReLU, dropout).

    The FC baseline of Gururani, Sharma and Lerch 2019, https://arxiv.org/abs/1907.04294: 986,772
    parameters with a linear classifier of 20 classes on 10 x 128 instances. The embedding is a bag
    of one instance, so every pooling gives the same result up to its own parameters.

    Args:
        num_features: Number of features of an instance, F.
        num_instances: Number of instances of every clip, T.
        hidden: Widths of the layers; the last one is the width of the embedding.
        dropout: Probability of dropping a unit after each layer.
        standardise: Whether instances are standardised first; see
            `musicssl.networks.standardise`.
    """

    def __init__(
        self,
        num_features: int,
        num_instances: int,
        hidden: tuple[int, ...] = (512, 512, 128),
        dropout: float = 0.5,
        standardise: bool = False,
    ) -> None:
        super().__init__()
        self.num_instances = num_instances
        self.embed_dim = hidden[-1]
        self.standardise = standardise_layer(num_features, standardise)
        widths = (num_features * num_instances, *hidden)
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise(widths):
            linear = nn.Linear(width_in, width_out)
            nn.init.xavier_normal_(linear.weight)
            layers += [linear, nn.LeakyReLU(), Dropout(dropout)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed clips, (B, T, F), as one vector each, (B, 1, D).

        Raises:
            InputError: If clips differ in length.
        """
        if valid is not None or x.shape[1] != self.num_instances:
            raise InputError(
                f"encoder=fc needs clips of exactly {self.num_instances} instances; choose an "
                "encoder for bags of any length, such as encoder=att, fc_t or gru."
            )
        return self.layers(self.standardise(x).flatten(1)).unsqueeze(1), None
