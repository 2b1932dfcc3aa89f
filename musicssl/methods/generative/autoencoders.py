"""Pairs of an encoder and a decoder, which `autoencoder=NAME` chooses.

A pair is settings; it builds its networks when the sizes of the corpus are known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.losses.likelihoods import Likelihood
from musicssl.methods.generative.sizes import check_latent_dim, check_widths
from musicssl.methods.generative.token_cnn import TokenCnnDecoder, TokenCnnEncoder
from musicssl.methods.generative.token_rnn import TokenRnnDecoder, TokenRnnEncoder
from musicssl.methods.generative.tokens import TokenEncoder
from musicssl.methods.generative.vae import Decoder, Gaussian, GaussianEncoder
from musicssl.networks.classifier import READS_TOKENS, TOKENS_AND_NOT


class LatentEncoder(Protocol):
    """q(z|x); also the encoder of a `Classifier`."""

    embed_dim: int

    def inputs(self, batch: Batch) -> Tensor:
        """Return what is encoded and reconstructed: D features or T tokens of a clip, (B, D)."""

    def posterior(self, x: Tensor) -> Gaussian:
        """Return q(z|x) of inputs, (B, D)."""


class LatentDecoder(Protocol):
    """p(x|z)."""

    def negative_log(self, z: Tensor, x: Tensor) -> Tensor:
        """Return -log p(x|z) in nats, (N, Z) and (N, D) -> (N,)."""

    def decoded(self, z: Tensor) -> Tensor:
        """Return the expected features, or the most probable tokens, (N, Z) -> (N, D)."""


class Autoencoder(Protocol):
    """Settings of an encoder and a decoder."""

    def encoder(self, num_features: int, num_instances: int, num_tokens: int | None) -> Any:
        """Build the encoder, a `LatentEncoder`.

        Args:
            num_features: Features of an instance, F; 1 for tokens.
            num_instances: Instances or tokens of the longest clip, T.
            num_tokens: Number of different tokens, V; None if clips are instances.

        Raises:
            InputError: If the pair is for other clips.
        """

    def decoder(self, encoder: Any) -> Any:
        """Build the decoder that belongs to an encoder, a `LatentDecoder`."""


@dataclass(frozen=True)
class CnnPair:
    """The CNN-VAE of the dMelodies benchmark, for rows of 16 tokens.

    Pati, Gururani and Lerch 2020, https://arxiv.org/abs/2007.15067, section 4.2, and their code.

    Attributes:
        latent_dim: Number of latent variables, Z.
        channels: Outputs of the encoder's convolutions; the decoder's are in reverse order.
        embedding_dim: Width of the embedding of a token.
        dropout: Probability of dropping a unit of the encoder.

    Raises:
        InputError: If a size is invalid.
    """

    latent_dim: int = 32
    channels: Sequence[int] = (16, 32, 64, 128)
    embedding_dim: int = 10
    dropout: float = 0.1

    def __post_init__(self) -> None:
        _check_latent_dim(self.latent_dim)
        check_widths(self.channels, "autoencoder.channels", fewest=1)

    def encoder(
        self, num_features: int, num_instances: int, num_tokens: int | None
    ) -> TokenCnnEncoder:
        """Build the encoder; see `Autoencoder.encoder`."""
        ticks = 2 ** len(self.channels)
        if num_tokens is None:
            raise InputError(READS_TOKENS)
        if num_instances != ticks:
            raise InputError(
                f"autoencoder=cnn with {len(self.channels)} layers is for rows of {ticks} tokens, "
                f"but those of this corpus have {num_instances}; choose autoencoder=rnn."
            )
        return TokenCnnEncoder(
            num_tokens,
            num_instances,
            self.latent_dim,
            self.channels,
            self.embedding_dim,
            self.dropout,
        )

    def decoder(self, encoder: TokenEncoder) -> TokenCnnDecoder:
        """Build the decoder that belongs to an encoder."""
        return TokenCnnDecoder(encoder.num_tokens, self.latent_dim, self.channels[::-1])


@dataclass(frozen=True)
class RnnPair:
    """The recurrent VAE of AR-VAE and of the dMelodies benchmark, for rows of tokens.

    Pati and Lerch 2021, https://arxiv.org/abs/2004.05485, appendix, with 128 units, dropout 0.5 and
    beats of 6 ticks; Pati, Gururani and Lerch 2020, https://arxiv.org/abs/2007.15067, section 4.2,
    with 64 units, dropout 0.2 and bars of 8 ticks instead of beats, which are the defaults here.

    Attributes:
        latent_dim: Number of latent variables, Z.
        units: Number of units of each layer and direction.
        embedding_dim: Width of the embedding of a token.
        dropout: Probability of dropping a unit between recurrent layers.
        ticks_per_beat: Tokens that a state of the upper level of the decoder is for.
        teacher_forcing: Probability that a training batch is decoded given the right tokens before.

    Raises:
        InputError: If a size is invalid.
    """

    latent_dim: int = 32
    units: int = 64
    embedding_dim: int = 10
    dropout: float = 0.2
    ticks_per_beat: int = 8
    teacher_forcing: float = 0.5

    def __post_init__(self) -> None:
        _check_latent_dim(self.latent_dim)
        check_widths([self.units], "autoencoder.units")

    def encoder(
        self, num_features: int, num_instances: int, num_tokens: int | None
    ) -> TokenRnnEncoder:
        """Build the encoder; see `Autoencoder.encoder`."""
        if num_tokens is None:
            raise InputError(READS_TOKENS)
        if num_instances % self.ticks_per_beat:
            raise InputError(
                f"autoencoder.ticks_per_beat={self.ticks_per_beat} does not divide the "
                f"{num_instances} tokens of a clip; choose a number that does."
            )
        return TokenRnnEncoder(
            num_tokens,
            num_instances,
            self.latent_dim,
            self.units,
            self.embedding_dim,
            self.dropout,
        )

    def decoder(self, encoder: TokenEncoder) -> TokenRnnDecoder:
        """Build the decoder that belongs to an encoder."""
        return TokenRnnDecoder(
            encoder.num_tokens,
            encoder.num_ticks,
            self.latent_dim,
            self.units,
            self.embedding_dim,
            self.dropout,
            self.ticks_per_beat,
            self.teacher_forcing,
        )


@dataclass(frozen=True)
class MlpPair:
    """Fully connected layers on a summary of the instances of a clip, as in `method=m1`.

    Attributes:
        likelihood: Distribution of the features.
        latent_dim: Number of latent variables, Z.
        summary: Kind of the features; see `musicssl.methods.generative.summary.ClipSummary`.
        hidden: Widths of the encoder's hidden layers; the decoder's are in reverse order.

    Raises:
        InputError: If a size is invalid.
    """

    likelihood: Likelihood
    latent_dim: int = 32
    summary: str = "mean_std"
    hidden: Sequence[int] = (512, 256)

    def __post_init__(self) -> None:
        _check_latent_dim(self.latent_dim)
        check_widths(self.hidden, "autoencoder.hidden")

    def encoder(self, num_features: int, num_instances: int, num_tokens: int | None) -> Any:
        """Build the encoder; see `Autoencoder.encoder`."""
        if num_tokens is not None:
            raise InputError(TOKENS_AND_NOT)
        return GaussianEncoder(
            num_features,
            num_instances,
            self.summary,
            self.likelihood.standardised,
            self.hidden,
            self.latent_dim,
        )

    def decoder(self, encoder: Any) -> Any:
        """Build the decoder that belongs to an encoder."""
        width = encoder.summary.dim
        return Decoder(self.latent_dim, self.hidden[::-1], width, self.likelihood)


@dataclass(frozen=True)
class AutoPair(MlpPair):
    """An `MlpPair`; for rows of 16 tokens a `CnnPair`, for others an `RnnPair` of four beats."""

    def encoder(self, num_features: int, num_instances: int, num_tokens: int | None) -> Any:
        """Build the encoder; see `Autoencoder.encoder`."""
        if num_tokens is None:
            return super().encoder(num_features, num_instances, num_tokens)
        return self._of_tokens(num_instances).encoder(num_features, num_instances, num_tokens)

    def decoder(self, encoder: Any) -> Any:
        """Build the decoder that belongs to an encoder."""
        if isinstance(encoder, TokenEncoder):
            return self._of_tokens(encoder.num_ticks).decoder(encoder)
        return super().decoder(encoder)

    def _of_tokens(self, num_ticks: int) -> CnnPair | RnnPair:
        by_convolutions = CnnPair(self.latent_dim)
        if num_ticks == 2 ** len(by_convolutions.channels):
            return by_convolutions
        return RnnPair(self.latent_dim, ticks_per_beat=max(1, num_ticks // 4))


def _check_latent_dim(latent_dim: Any) -> None:
    check_latent_dim(latent_dim, "autoencoder.latent_dim")
