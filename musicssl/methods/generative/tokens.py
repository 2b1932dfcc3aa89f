"""What the encoders and decoders of rows of tokens have in common."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.methods.generative.vae import Gaussian
from musicssl.networks.classifier import READS_TOKENS


class TokenEncoder(nn.Module, ABC):
    """q(z|x) of rows of tokens, by two heads on a summary of the row.

    Each head is a linear layer, SELU, and a linear layer; one computes means, the other logarithms
    of deviations.

    As the encoder of a `Classifier` it embeds a clip as the mean of q(z|x), a bag of one instance.

    Args:
        num_tokens: Number of different tokens, V.
        num_ticks: Tokens of a row, T.
        summary_dim: Width of the summary, W.
        hidden: Width of the hidden layer of the heads.
        latent_dim: Z.
    """

    of_tokens = True

    def __init__(
        self, num_tokens: int, num_ticks: int, summary_dim: int, hidden: int, latent_dim: int
    ) -> None:
        super().__init__()
        self.num_tokens, self.num_ticks = num_tokens, num_ticks
        self.embed_dim = latent_dim
        self.mean, self.log_deviation = (
            nn.Sequential(nn.Linear(summary_dim, hidden), nn.SELU(), nn.Linear(hidden, latent_dim))
            for _ in range(2)
        )

    @abstractmethod
    def summarised(self, tokens: Tensor) -> Tensor:
        """Summarise rows of tokens, (B, T) int64 -> (B, W)."""

    def inputs(self, batch: Batch) -> Tensor:
        """Return the tokens of a batch, (B, T) int64, which a decoder reconstructs.

        Raises:
            InputError: If the clips are no tokens.
        """
        if not batch.is_tokens:
            raise InputError(READS_TOKENS)
        return batch.x

    def posterior(self, tokens: Tensor) -> Gaussian:
        """Return q(z|x) of rows of tokens, (B, T) int64."""
        summary = self.summarised(tokens)
        return Gaussian(self.mean(summary).float(), 2 * self.log_deviation(summary).float())

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed rows of tokens, (B, T) int64, as one vector each, (B, 1, Z)."""
        return self.posterior(x).mean.unsqueeze(1), None


class TokenDecoder(nn.Module, ABC):
    """p(x|z) of rows of tokens: a categorical distribution of each token."""

    @abstractmethod
    def logits(self, z: Tensor) -> Tensor:
        """Return the logits of the tokens from latent variables alone, (N, Z) -> (N, T, V)."""

    def training_logits(self, z: Tensor, tokens: Tensor) -> Tensor:
        """Return the logits that a training step compares with the tokens, (N, T, V)."""
        return self.logits(z)

    def negative_log(self, z: Tensor, tokens: Tensor) -> Tensor:
        """Return -log p(x|z) in nats, (N, Z) and (N, T) -> (N,)."""
        logits = self.training_logits(z, tokens) if self.training else self.logits(z)
        return token_nats(logits, tokens)

    def decoded(self, z: Tensor) -> Tensor:
        """Return the most probable tokens, (N, Z) -> (N, T) int64."""
        return self.logits(z).argmax(dim=-1)


def token_nats(logits: Tensor, tokens: Tensor) -> Tensor:
    """Return the cross-entropy of tokens, summed over a row, in nats.

    Args:
        logits: (N, T, V).
        tokens: (N, T) int64.

    Returns:
        (N,) float32.
    """
    nats = cross_entropy(logits.float().flatten(0, 1), tokens.flatten(), reduction="none")
    return nats.view(tokens.shape).sum(dim=1)


def initialise_as_xavier(module: nn.Module) -> None:
    """Draw all weights, also those of embeddings and recurrent layers, as Glorot and Bengio 2010.

    Normal, with a variance of 2 / (inputs + outputs); biases and learnt inputs stay as they are.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "weight" in name:
                nn.init.xavier_normal_(parameter)
