"""The embedding of ATT: three layers on each instance, with a residual connection."""

from torch import Tensor, nn

from musicssl.networks.layers import Dropout
from musicssl.networks.standardise import standardise as standardise_layer


class AttEmbedding(nn.Module):
    """Embed each instance by itself: BN, three times (Linear, BN, ReLU, dropout), plus the input.

    Gururani, Sharma and Lerch 2019, https://arxiv.org/abs/1907.04294, section 4.2, in the form of
    the authors' code: there is also a batch norm before the first layer, the layers have no bias,
    and the raw input is added at the end, so instances must be standardised or
    scaled to about [0, 1], and the layers are as wide as an instance.

    Args:
        num_features: Number of features of an instance, F.
        num_instances: Not used; clips may have any length.
        num_layers: Number of hidden layers.
        dropout: Probability of dropping a unit after each layer.
        standardise: Whether instances are standardised first; see
            `musicssl.networks.standardise`.
    """

    def __init__(
        self,
        num_features: int,
        num_instances: int | None = None,
        num_layers: int = 3,
        dropout: float = 0.6,
        standardise: bool = False,
    ) -> None:
        super().__init__()
        self.embed_dim = num_features
        self.standardise = standardise_layer(num_features, standardise)
        layers: list[nn.Module] = [nn.BatchNorm1d(num_features)]
        for _ in range(num_layers):
            linear = nn.Linear(num_features, num_features, bias=False)
            nn.init.kaiming_uniform_(linear.weight, nonlinearity="relu")
            layers += [
                linear,
                nn.BatchNorm1d(num_features),
                nn.ReLU(inplace=True),
                Dropout(dropout),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed instances, (B, T, F), of which `valid`, (B, T) bool, are not padding.

        Padding is removed before the first layer, so that it does not enter the statistics of a
        batch norm: a padded bag trains exactly like the bag without padding.

        Returns:
            Embeddings, (B, T, F), zero for padding, and `valid`.
        """
        if valid is None:
            rows = self.standardise(x.flatten(0, 1))  # (B*T, F)
            return (self.layers(rows) + rows).view_as(x), None
        rows = self.standardise(x[valid])  # (number of instances, F)
        padded = x.new_zeros(x.shape)
        padded[valid] = (self.layers(rows) + rows).to(padded.dtype)
        return padded, valid
