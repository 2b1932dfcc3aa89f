"""The base class of the methods that train a variational autoencoder of clips."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from musicssl.batch import Batch
from musicssl.data.needs import Needs
from musicssl.evaluation.monitors import effective_rank
from musicssl.losses.likelihoods import Likelihood
from musicssl.methods.base.method import NETWORK_ARTIFACTS
from musicssl.methods.base.online_probe import OnlineProbe, ProbedMethod
from musicssl.methods.generative.latent_features import is_active
from musicssl.methods.generative.pictures import FeatureModel, shown_vae
from musicssl.methods.generative.sizes import check_latent_dim, check_widths
from musicssl.methods.generative.summary import learn_scale
from musicssl.methods.generative.vae import Bound, Decoder, GaussianEncoder
from musicssl.networks.pooling import MeanPooling
from musicssl.probing.base import Embeddings


class AutoencoderMethod(ProbedMethod):
    """Learn latent variables of clips by maximising a bound of their likelihood, without labels.

    The embedding of a clip is the mean of q(z|x). Labels are predicted by a linear probe of it; see
    `OnlineProbe`.

    Logged with each epoch: `val/bound_loss`, the negative bound of the validation clips in nats per
    clip; `val/active_units`, the number of latent dimensions whose posterior mean varies over these
    clips with a standard deviation above 0.1; `val/effective_rank` of the embeddings, which falls
    to 1 if they collapse.

    Args:
        likelihood: Distribution of the features.
        summary: Kind of the features; see `musicssl.methods.generative.summary.ClipSummary`.
        hidden: Widths of the encoder's hidden layers; the decoder's are in reverse order.
        latent_dim: Number of latent variables, Z.
        probe_clips: Maximal number of clips that the probe is fitted to during training; None for
            all.
        parts: See `Method`; the method has its own encoder and pooling.

    Raises:
        InputError: If a size is invalid.
    """

    needs: ClassVar[Needs] = Needs(labels=False)
    artifacts: ClassVar[tuple[str, ...]] = (
        *NETWORK_ARTIFACTS,
        "musicssl.runs.artifacts.embeddings.LearnedEmbeddings",
        "musicssl.runs.artifacts.generative.GenerativePictures",
    )
    loss_curves: ClassVar[tuple[str, ...]] = ("train/loss",)  # val/loss is that of the probe

    def __init__(
        self,
        *,
        likelihood: Likelihood,
        summary: str,
        hidden: Sequence[int],
        latent_dim: int,
        probe_clips: int | None = 1000,
        **parts: Any,
    ) -> None:
        check_widths(hidden)
        check_latent_dim(latent_dim)
        encoder = partial(
            GaussianEncoder,
            summary=summary,
            standardised=likelihood.standardised,
            hidden=hidden,
            latent_dim=latent_dim,
        )
        super().__init__(encoder=encoder, pooling=MeanPooling, **parts)
        self.probe = OnlineProbe(self, probe_clips)
        num_inputs = self.encoder.summary.dim
        self.decoder = Decoder(latent_dim, hidden[::-1], num_inputs, likelihood)
        self._val_bound = MeanMetric("disable")  # keep NaN: it signals divergence

    @abstractmethod
    def bound(self, x: Tensor) -> Bound:
        """Bound -log p(x) of summaries, (B, D), from above with one sample of z."""

    @property
    def encoder(self) -> GaussianEncoder:
        """q(z|x)."""
        encoder: GaussianEncoder = self.classifier.encoder
        return encoder

    def setup(self, stage: str) -> None:
        """Learn the scale of the features from all training clips.

        Raises:
            InputError: If the likelihood does not fit the features, or no clip is labelled.
        """
        super().setup(stage)
        if stage != "fit":
            return
        self.probe.check_data()
        batches = self.data.batches_of(self.data.training_rows())
        learn_scale(self.encoder.summary, self.decoder.likelihood, batches)

    def compiled_calls(self) -> list[tuple[nn.Module, str]]:
        """Return what its training step calls that can be compiled; see `Method`."""
        return [(self.encoder, "posterior"), (self.decoder, "negative_log")]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep embeddings and bounds of a batch until the epoch ends."""
        super().validation_step(batch, batch_idx)
        self._val_bound.update(self.bound(self.encoder.summary.of(batch)).total)

    def evaluate(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> None:
        """Log the metrics and the bound of the validation clips."""
        super().evaluate(outputs, targets, mask)
        active = is_active(outputs).sum()
        units = {"val/bound_loss": self._val_bound.compute(), "val/active_units": active.float()}
        self.log_dict(units, sync_dist=True)
        self._val_bound.reset()
        self.log_dict(self.further_metrics(Embeddings(outputs, targets, mask)), sync_dist=True)
        self.log("val/effective_rank", effective_rank(outputs), sync_dist=True)

    def further_metrics(self, val: Embeddings) -> dict[str, float]:
        """Return additional metrics of the validation clips, by their name in the log."""
        return {}

    @property
    def attribute_dimensions(self) -> Sequence[int | None]:
        """Empty: no latent variable is meant for an attribute."""
        return ()

    @torch.no_grad()
    def latent_means(self, batch: Batch) -> Tensor:
        """Return the means of q(z|x), (N, Z)."""
        return self.encoder.posterior(self.encoder.summary.of(batch.to(self.device))).mean

    @torch.no_grad()
    def decode_latents(self, z: Tensor) -> Tensor:
        """Return the expected summaries in the units of the features, (N, Z) -> (N, D)."""
        return self.encoder.summary.unscaled(self.decoder(z.to(self.device)))

    def shown(self) -> FeatureModel:
        """Return the autoencoder, for figures."""
        return shown_vae(self.encoder, self.decoder)
