"""The CNN-VAE of the dMelodies benchmark: encoder and decoder of 16 tokens."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from musicssl.methods.generative.tokens import (
    TokenDecoder,
    TokenEncoder,
    initialise_as_xavier,
)
from musicssl.networks.layers import Dropout

_KERNEL, _STRIDE, _PADDING = 4, 2, 1  # a layer halves, or doubles, the number of ticks


class TokenCnnEncoder(TokenEncoder):
    """Embed tokens, and halve the number of ticks by each convolution.

    Each convolution (kernel 4, stride 2) is followed by SELU and dropout. The mean over the ticks
    that are left, one of 16, is the summary; the hidden layer of a head is half as wide.

    Args:
        num_tokens: Number of different tokens, V.
        num_ticks: Tokens of a row, T.
        latent_dim: Z.
        channels: Outputs of each convolution.
        embedding_dim: Width of the embedding of a token.
        dropout: Probability of dropping a unit.
    """

    def __init__(
        self,
        num_tokens: int,
        num_ticks: int,
        latent_dim: int,
        channels: Sequence[int],
        embedding_dim: int,
        dropout: float,
    ) -> None:
        super().__init__(num_tokens, num_ticks, channels[-1], channels[-1] // 2, latent_dim)
        self.embedding = nn.Embedding(num_tokens, embedding_dim)
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise((embedding_dim, *channels)):
            convolution = nn.Conv1d(width_in, width_out, _KERNEL, _STRIDE, _PADDING)
            layers += [convolution, nn.SELU(), Dropout(dropout)]
        self.convolutions = nn.Sequential(*layers)
        initialise_as_xavier(self)

    def summarised(self, tokens: Tensor) -> Tensor:
        """Summarise rows of tokens, (B, T) int64 -> (B, W)."""
        embedded = self.embedding(tokens).transpose(1, 2)  # (B, E, T)
        summary: Tensor = self.convolutions(embedded).mean(dim=2)
        return summary


class TokenCnnDecoder(TokenDecoder):
    """Double the number of ticks by each transposed convolution, from z as a single tick.

    Each is followed by SELU, and there is no dropout; a linear layer returns logits.

    Args:
        num_tokens: Number of different tokens, V.
        latent_dim: Z.
        channels: Outputs of each convolution; a row has T = 2^(their number) tokens.
    """

    def __init__(self, num_tokens: int, latent_dim: int, channels: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise((latent_dim, *channels)):
            convolution = nn.ConvTranspose1d(width_in, width_out, _KERNEL, _STRIDE, _PADDING)
            layers += [convolution, nn.SELU()]
        self.convolutions = nn.Sequential(*layers)
        self.output = nn.Linear(channels[-1], num_tokens)
        initialise_as_xavier(self)

    def logits(self, z: Tensor) -> Tensor:
        """Return the logits of the tokens, (N, Z) -> (N, T, V)."""
        logits: Tensor = self.output(self.convolutions(z.unsqueeze(2)).transpose(1, 2))
        return logits
