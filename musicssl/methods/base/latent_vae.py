"""The base class of the methods that regularise the latent variables of an autoencoder."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torchmetrics import MeanMetric

from musicssl.batch import Batch
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.losses.latents import gaussian_kl
from musicssl.methods.base.latent_method import LatentMethod
from musicssl.methods.base.method import NETWORK_ARTIFACTS
from musicssl.methods.generative.tokens import TokenDecoder, token_nats
from musicssl.networks.distributed import mean_over_ranks


class Regularised(NamedTuple):
    """What a method adds to the reconstruction error of a batch.

    Attributes:
        loss: A scalar.
        notes: Scalars to log as `train/NAME`.
    """

    loss: Tensor
    notes: Mapping[str, Tensor]


class Fidelity(NamedTuple):
    """How well clips are reconstructed from their latent variables.

    Attributes:
        nats: -log p(x|z) per token or feature, (B,).
        kl: KL(q(z|x) || p(z)) in nats, (B,).
        correct: Share of the tokens that are the most probable ones, (B,); None for features.
    """

    nats: Tensor
    kl: Tensor
    correct: Tensor | None


class LatentVAE(LatentMethod):
    """Learn latent variables of clips by an autoencoder with a regulariser of them.

        loss = -log p(x|z) / D + regulariser

    with one sample of z; D is the number of tokens or features of a clip, so that the weights of
    regularisers, which are published for the mean over tokens, suit features too. The KL divergence
    is the sum over latent variables and the mean over a batch.

    The embedding of a clip is the mean of q(z|x). Targets are predicted by a linear probe of it,
    see `OnlineProbe`: its scores say which targets can be read from the latent variables. Use
    `select=last`, the default: regularisers set in while a method trains, so that losses of
    different epochs cannot be compared.

    Logged with each epoch: `train/loss` and its parts, `train/reconstruction` in nats per token or
    feature, and `train/kl` in nats per clip; `val/reconstruction_loss` and `val/kl`, with the mean
    of q(z|x) and without teacher forcing, and for tokens `val/reconstruction_accuracy`, the share
    of the right ones; and what `LatentMethod` logs.

    Args:
        parts: See `LatentMethod`.
    """

    needs: ClassVar[Needs] = Needs(labels=False, tokens=True)
    artifacts: ClassVar[tuple[str, ...]] = (
        *NETWORK_ARTIFACTS,
        "musicssl.runs.artifacts.embeddings.LearnedEmbeddings",
        "musicssl.runs.artifacts.reconstruction.Reconstruction",
    )

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._val_means = {name: MeanMetric("disable") for name in Fidelity._fields}

    @abstractmethod
    def regularised(self, kl: Tensor, z: Tensor, batch: Batch, epoch: float) -> Regularised:
        """Return the regulariser of a batch.

        Args:
            kl: KL(q(z|x) || p(z)), the mean over the batch, a scalar.
            z: A sample of q(z|x) of each clip, (B, Z).
            batch: The clips.
            epoch: Epochs trained so far, a fraction included.
        """

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        epoch = self.trainer.current_epoch + batch_idx / self.trainer.num_training_batches
        return self.autoencoder_loss(batch, epoch)

    def autoencoder_loss(self, batch: Batch, epoch: float) -> Tensor:
        """Return the reconstruction error plus the regulariser, and record both."""
        x = self.encoder.inputs(batch)
        q = self.encoder.posterior(x)
        z = q.sample(torch.randn_like(q.mean))
        reconstruction = self.decoder.negative_log(z, x).mean() / x.shape[1]
        kl = mean_over_ranks(gaussian_kl(*q).mean())  # capacities are those of the whole batch
        regulariser, notes = self.regularised(kl, z, batch, epoch)
        loss: Tensor = reconstruction + regulariser
        self.record(loss=loss, reconstruction=reconstruction, kl=kl, **notes)
        return loss

    def fidelity(self, batch: Batch, noise: Tensor | None = None) -> Fidelity:
        """Return how well the clips of a batch are reconstructed, in evaluation mode.

        Args:
            batch: The clips.
            noise: Standard normal, (B, Z), for a sample of q(z|x); None for its mean.
        """
        x = self.encoder.inputs(batch)
        q = self.encoder.posterior(x)
        z = q.mean if noise is None else q.sample(noise)
        kl = gaussian_kl(*q)
        if not isinstance(self.decoder, TokenDecoder):
            return Fidelity(self.decoder.negative_log(z, x) / x.shape[1], kl, None)
        logits = self.decoder.logits(z)
        correct = (logits.argmax(dim=2) == x).float().mean(dim=1)
        return Fidelity(token_nats(logits, x) / x.shape[1], kl, correct)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep embeddings and reconstruction errors of a batch until the epoch ends."""
        super().validation_step(batch, batch_idx)
        for name, values in self.fidelity(batch)._asdict().items():
            if values is not None:
                self._val_means[name].to(values.device).update(values)

    def evaluate(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> None:
        """Log the metrics of the probe, and how well the validation clips are reconstructed."""
        super().evaluate(outputs, targets, mask)
        names = {"nats": "reconstruction_loss", "kl": "kl", "correct": "reconstruction_accuracy"}
        for part, metric in self._val_means.items():
            if metric.update_called:
                self.log(f"val/{names[part]}", metric.compute(), sync_dist=True)
            metric.reset()


def check_weights(**weights: float) -> None:
    """Check weights of losses and capacities, settings of the method.

    Raises:
        InputError: If one is negative or not finite.
    """
    for name, weight in weights.items():
        if not 0 <= weight < float("inf"):
            raise InputError(f"method.{name} must be 0 or more, and finite, got {weight:g}.")
