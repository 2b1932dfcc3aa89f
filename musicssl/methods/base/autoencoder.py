"""The base class of the methods that train a variational autoencoder of clips."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor
from torchmetrics import MeanMetric

from musicssl.batch import Batch
from musicssl.data.needs import Needs
from musicssl.losses.likelihoods import Likelihood
from musicssl.methods.base.latent_method import LatentMethod
from musicssl.methods.base.method import NETWORK_ARTIFACTS
from musicssl.methods.generative.autoencoders import MlpPair
from musicssl.methods.generative.pictures import FeatureModel, shown_vae
from musicssl.methods.generative.sizes import check_latent_dim, check_widths
from musicssl.methods.generative.vae import Bound, GaussianEncoder
from musicssl.probing.base import Embeddings


class AutoencoderMethod(LatentMethod):
    """Learn latent variables of clips by maximising a bound of their likelihood, without labels.

    The embedding of a clip is the mean of q(z|x). Labels are predicted by a linear probe of it; see
    `OnlineProbe`.

    Logged with each epoch: `val/bound_loss`, the negative bound of the validation clips in nats per
    clip, and what `LatentMethod` logs.

    Args:
        likelihood: Distribution of the features.
        summary: Kind of the features; see `musicssl.methods.generative.summary.ClipSummary`.
        hidden: Widths of the encoder's hidden layers; the decoder's are in reverse order.
        latent_dim: Number of latent variables, Z.
        parts: See `LatentMethod`.

    Raises:
        InputError: If a size is invalid.
    """

    needs: ClassVar[Needs] = Needs(labels=False)
    artifacts: ClassVar[tuple[str, ...]] = (
        *NETWORK_ARTIFACTS,
        "musicssl.runs.artifacts.embeddings.LearnedEmbeddings",
        "musicssl.runs.artifacts.generative.GenerativePictures",
    )

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
        super().__init__(autoencoder=MlpPair(likelihood, latent_dim, summary, hidden), **parts)
        self._val_bound = MeanMetric("disable")  # keep NaN: it signals divergence

    @abstractmethod
    def bound(self, x: Tensor) -> Bound:
        """Bound -log p(x) of summaries, (B, D), from above with one sample of z."""

    @property
    def encoder(self) -> GaussianEncoder:
        """q(z|x)."""
        encoder: GaussianEncoder = self.classifier.encoder
        return encoder

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep embeddings and bounds of a batch until the epoch ends."""
        super().validation_step(batch, batch_idx)
        self._val_bound.update(self.bound(self.encoder.summary.of(batch)).total)

    def evaluate(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> None:
        """Log the metrics and the bound of the validation clips."""
        super().evaluate(outputs, targets, mask)
        self.log("val/bound_loss", self._val_bound.compute(), sync_dist=True)
        self._val_bound.reset()
        self.log_dict(self.further_metrics(Embeddings(outputs, targets, mask)), sync_dist=True)

    def further_metrics(self, val: Embeddings) -> dict[str, float]:
        """Return additional metrics of the validation clips, by their name in the log."""
        return {}

    def shown(self) -> FeatureModel:
        """Return the autoencoder, for figures."""
        return shown_vae(self.encoder, self.decoder)
