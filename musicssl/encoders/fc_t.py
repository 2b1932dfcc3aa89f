"""FC_T: fully connected layers on each instance."""

from torch import Tensor, nn

from musicssl.networks.layers import Dropout
from musicssl.networks.standardise import standardise as standardise_layer


class FullyConnectedPerInstance(nn.Module):
    """Embed each instance by three layers (Linear, dropout, LeakyReLU), and add the instance.

    The FC_T baseline of Gururani, Sharma and Lerch 2019, https://arxiv.org/abs/1907.04294, in the
    form of the authors' code (dropout before the activation, no batch norm); 52,116 parameters with
    mean pooling and 20 classes on 128 features.

    Args:
        num_features: Number of features of an instance, F; also the width of the layers.
        num_instances: Not used; clips may have any length.
        num_layers: Number of hidden layers.
        dropout: Probability of dropping a unit in each layer.
        standardise: Whether instances are standardised first; see
            `musicssl.networks.standardise`.
    """

    def __init__(
        self,
        num_features: int,
        num_instances: int | None = None,
        num_layers: int = 3,
        dropout: float = 0.5,
        standardise: bool = False,
    ) -> None:
        super().__init__()
        self.embed_dim = num_features
        self.standardise = standardise_layer(num_features, standardise)
        layers: list[nn.Module] = []
        for _ in range(num_layers):
            linear = nn.Linear(num_features, num_features)
            nn.init.xavier_normal_(linear.weight)
            layers += [linear, Dropout(dropout), nn.LeakyReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed instances, (B, T, F), each by itself, so that padding has no effect on others."""
        x = self.standardise(x)
        return self.layers(x) + x, valid
