"""The projector between the encoder and a loss that compares embeddings."""

from torch import Tensor, nn

from musicssl.errors import InputError
from musicssl.networks.layers import explained_batch_norm


class Projector(nn.Sequential):
    """Map embeddings, (N, D), to projections, (N, P), which the loss compares.

    It is used in training only. Layers of `hidden` units with ReLU are followed by a linear layer.
    The default is the head of SemiSupCon's code, 512-512-128 without biases; VICReg and BYOL use
    batch norm between the layers.

    Args:
        embed_dim: Size of an embedding, D.
        hidden: Number of units of each hidden layer.
        out_dim: Size of a projection, P.
        num_hidden: Number of hidden layers; 0 is a linear map.
        batch_norm: Whether a batch norm follows each hidden layer.

    Raises:
        InputError: If a setting is invalid.
    """

    def __init__(
        self,
        embed_dim: int,
        hidden: int = 512,
        out_dim: int = 128,
        num_hidden: int = 1,
        batch_norm: bool = False,
    ) -> None:
        if min(hidden, out_dim) < 1 or num_hidden < 0:
            raise InputError(
                "projector.hidden and projector.out_dim must be 1 or more and "
                f"projector.num_hidden 0 or more, got {hidden}, {out_dim} and {num_hidden}."
            )
        layers: list[nn.Module] = []
        width = embed_dim
        for _ in range(num_hidden):
            layers.append(nn.Linear(width, hidden, bias=False))
            layers += [nn.BatchNorm1d(hidden)] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            width = hidden
        super().__init__(*layers, nn.Linear(width, out_dim, bias=False))
        self.out_dim = out_dim

    def forward(self, h: Tensor) -> Tensor:
        """Map embeddings, (N, D) -> (N, `out_dim`).

        Raises:
            InputError: If a batch norm in training gets a single embedding.
        """
        with explained_batch_norm():
            projected: Tensor = super().forward(h)  # type: ignore[no-untyped-call]
        return projected
