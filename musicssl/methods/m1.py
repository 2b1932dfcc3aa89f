"""`m1`: a variational autoencoder of all clips, and a linear probe of its latent variables."""

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.methods.base.autoencoder import AutoencoderMethod
from musicssl.methods.generative.vae import Bound, vae_bound


class M1(AutoencoderMethod):
    """The latent-feature discriminative model: a linear probe of the mean of q(z|x).

    Kingma et al. 2014, https://arxiv.org/abs/1406.5298, section 3.1. The autoencoder is trained
    without labels. The paper's classifier is a transductive support vector machine on samples of z;
    ours is the linear probe that evaluates all methods that learn embeddings, on the means.

    Logged with each epoch, besides what `AutoencoderMethod` logs: `train/loss`, the negative bound
    in nats per clip, and its parts `train/reconstruction` and `train/kl`.
    """

    def bound(self, x: Tensor) -> Bound:
        """Bound -log p(x) of summaries, (B, D), from above with one sample of z."""
        noise = torch.randn(len(x), self.encoder.embed_dim, device=x.device)
        return vae_bound(self.encoder, self.decoder, x, noise)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the negative bound, averaged over the clips."""
        bound = self.bound(self.encoder.summary.of(batch))
        loss = bound.total.mean()
        self.record(loss=loss, reconstruction=bound.reconstruction.mean(), kl=bound.kl.mean())
        return loss
