"""The base class of the methods whose encoder and decoder are a pair of networks."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from musicssl.batch import Batch
from musicssl.evaluation.monitors import effective_rank
from musicssl.methods.base.online_probe import OnlineProbe, ProbedMethod
from musicssl.methods.generative.autoencoders import Autoencoder, LatentEncoder
from musicssl.methods.generative.latent_features import is_active
from musicssl.methods.generative.summary import ClipSummary, learn_scale
from musicssl.methods.generative.vae import Decoder, GaussianEncoder
from musicssl.networks.pooling import MeanPooling


class LatentMethod(ProbedMethod):
    """Learn latent variables of clips; a linear probe of the mean of q(z|x) predicts.

    Logged with each epoch: `val/active_units`, the number of latent dimensions whose posterior mean
    varies over the validation clips with a standard deviation above 0.1; `val/effective_rank` of
    the embeddings, which falls to 1 if they collapse.

    Args:
        autoencoder: Encoder and decoder; see `musicssl.methods.generative.autoencoders`.
        num_tokens: Number of different tokens, V; None if clips are instances.
        probe_clips: Maximal number of clips that the probe is fitted to during training; None for
            all.
        parts: See `Method`; the method has its own encoder and pooling.

    Raises:
        InputError: If the pair is for other clips.
    """

    loss_curves: ClassVar[tuple[str, ...]] = ("train/loss",)  # val/loss is that of the probe

    def __init__(
        self,
        *,
        autoencoder: Autoencoder,
        num_tokens: int | None = None,
        probe_clips: int | None = 1000,
        **parts: Any,
    ) -> None:
        encoder = partial(autoencoder.encoder, num_tokens=num_tokens)
        super().__init__(encoder=encoder, pooling=MeanPooling, **parts)
        self.probe = OnlineProbe(self, probe_clips)
        self.decoder = autoencoder.decoder(self.classifier.encoder)

    @property
    def encoder(self) -> LatentEncoder:
        """q(z|x)."""
        encoder: LatentEncoder = self.classifier.encoder
        return encoder

    @property
    def attribute_dimensions(self) -> Sequence[int | None]:
        """The latent dimension of each attribute; empty where no dimension has one."""
        return ()

    def setup(self, stage: str) -> None:
        """Learn the scale of features from all training clips.

        Raises:
            InputError: If the likelihood does not fit the features, or no clip is labelled.
        """
        super().setup(stage)
        if stage != "fit":
            return
        self.probe.check_data()
        if isinstance(self.encoder, GaussianEncoder):
            batches = self.data.batches_of(self.data.training_rows())
            assert isinstance(self.decoder, Decoder)
            learn_scale(self.encoder.summary, self.decoder.likelihood, batches)

    def compiled_calls(self) -> list[tuple[nn.Module, str]]:
        """Return what its training step calls that can be compiled; see `Method`."""
        return [(self.encoder, "posterior"), (self.decoder, "negative_log")]

    @torch.no_grad()
    def latent_means(self, batch: Batch) -> Tensor:
        """Return the means of q(z|x) as in evaluation, (B, Z), for a batch on any device."""
        training = self.training
        self.eval()
        means = self.classifier.clip_embeddings(batch.to(self.device))
        self.train(training)
        return means

    @torch.no_grad()
    def decode_latents(self, z: Tensor) -> Tensor:
        """Return the most probable tokens, (N, T), or the expected features in their units."""
        training = self.training
        self.eval()
        decoded: Tensor = self.decoder.decoded(z.to(self.device))
        self.train(training)
        summary = getattr(self.encoder, "summary", None)
        return summary.unscaled(decoded) if isinstance(summary, ClipSummary) else decoded

    def evaluate(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> None:
        """Log the metrics of the probe, and how many dimensions are used."""
        super().evaluate(outputs, targets, mask)
        self.log("val/active_units", is_active(outputs).sum().float(), sync_dist=True)
        self.log("val/effective_rank", effective_rank(outputs), sync_dist=True)
