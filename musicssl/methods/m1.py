"""M1: a variational autoencoder of all clips, and a classifier of what it makes of them."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MeanMetric

from musicssl.batch import Batch
from musicssl.losses.likelihoods import Likelihood
from musicssl.methods.base.probed import ProbedMethod
from musicssl.methods.generative.latent_features import says_something
from musicssl.methods.generative.pictures import FeatureModel, shown_vae
from musicssl.methods.generative.sizes import check_latent_dim, check_widths
from musicssl.methods.generative.summary import learn_scale
from musicssl.methods.generative.vae import Bound, Decoder, GaussianEncoder, vae_bound
from musicssl.networks.pooling import MeanPooling
from musicssl.probing.base import Embeddings


class M1(ProbedMethod):
    """The latent-feature discriminative model: a linear probe of the mean of q(z|x).

    Kingma et al. 2014, https://arxiv.org/abs/1406.5298, section 3.1. The autoencoder sees no label.
    The paper's classifier is a transductive support vector machine on samples of z; ours is the
    linear probe by which all methods are judged that learn embeddings, on the means.

    Logged with each epoch, besides what `ProbedMethod` logs: `train/loss`, the negative bound in
    nats per clip, and its parts `train/reconstruction` and `train/kl`; `val/bound_loss`, the
    negative bound of the validation clips; `val/active_units`, latent dimensions whose posterior
    mean varies over them with a standard deviation above 0.1.

    Args:
        likelihood: Of the features.
        summary: What of a clip is explained; see `musicssl.methods.generative.summary.ClipSummary`.
        hidden: Widths of the encoder's hidden layers; the decoder's are in reverse order.
        latent_dim: Latent variables, Z.
        parts: See `ProbedMethod`; encoder and pooling are the method's own.

    Raises:
        InputError: If networks cannot have such sizes.
    """

    def __init__(
        self,
        *,
        likelihood: Likelihood,
        summary: str,
        hidden: Sequence[int],
        latent_dim: int,
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
        num_inputs = self.encoder.summary.dim
        self.decoder = Decoder(latent_dim, hidden[::-1], num_inputs, likelihood)
        self._val_bound = MeanMetric("disable")  # NaN is of account: training diverged

    @property
    def encoder(self) -> GaussianEncoder:
        """q(z|x)."""
        encoder: GaussianEncoder = self.classifier.encoder
        return encoder

    def setup(self, stage: str) -> None:
        """Learn the scale of the features from all training clips.

        Raises:
            InputError: If the likelihood is not for such features.
        """
        super().setup(stage)
        if stage != "fit":
            return
        datamodule = self.data
        batches = datamodule.batches_of(datamodule.training_rows())
        learn_scale(self.encoder.summary, self.decoder.likelihood, batches)

    def bound(self, x: Tensor) -> Bound:
        """Bound -log p(x) of summaries, (B, D), from above with one sample of z."""
        noise = torch.randn(len(x), self.encoder.embed_dim, device=x.device)
        return vae_bound(self.encoder, self.decoder, x, noise)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the negative bound, the mean of the clips."""
        bound = self.bound(self.encoder.summary.of(batch))
        loss = bound.total.mean()
        self.record(loss=loss, reconstruction=bound.reconstruction.mean(), kl=bound.kl.mean())
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep embeddings and bounds of a batch until the epoch ends."""
        super().validation_step(batch, batch_idx)
        self._val_bound.update(self.bound(self.encoder.summary.of(batch)).total)

    def judge(self, val: Embeddings) -> None:
        """Log what becomes of the validation clips."""
        super().judge(val)
        active = says_something(val.h).sum()
        units = {"val/bound_loss": self._val_bound.compute(), "val/active_units": active.float()}
        self.log_dict(units, sync_dist=True)  # alike on all ranks
        self._val_bound.reset()

    def shown(self) -> FeatureModel:
        """Return the autoencoder for pictures."""
        return shown_vae(self.encoder, self.decoder)
