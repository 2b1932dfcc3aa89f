"""`ar_vae`: an autoencoder with a latent dimension for each attribute of the clips."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.losses.latent_regularisers import attribute_order
from musicssl.methods.base.latent_vae import LatentVAE, Regularised, check_weights
from musicssl.networks.distributed import gathered


class AttributeRegularisedVAE(LatentVAE):
    """Train latent dimension r to put the clips in the order of attribute r.

        loss = -log p(x|z) / D + beta | KL(q(z|x) || p(z)) - C | + gamma sum over r of L_r

    Pati and Lerch 2021, "Attribute-based regularization of latent spaces for variational
    auto-encoders", https://arxiv.org/abs/2004.05485, equations 4 to 6; for L_r see
    `musicssl.losses.latent_regularisers.attribute_order`. The defaults are those of the authors'
    code for music, beta 0.001, C 0, gamma 1 and delta 10, whose reconstruction error is the mean
    over tokens; for images it is 4, 10 and 1.

    Attributes are the targets of the corpus: numbers, or classes that are present or not. A clip
    counts in L_r if attribute r was observed in it, so that methods learn from few labels with
    `data.p_s`; without labels the first two terms are left. Only the order of the values matters.
    An attribute without a natural order, such as a scale, gets that of its numbers.

    Logged in addition to `LatentVAE`: `train/attribute_order`, the sum over r of L_r.

    Args:
        beta: Weight of the distance from the capacity.
        capacity: Nats per clip that cost nothing, C.
        gamma: Weight of the attributes; 0 for a plain autoencoder.
        delta: Slope of the hyperbolic tangent.
        attributes: Names of the attributes of dimensions 0, 1 and so on; None for all of the
            corpus.
        parts: See `LatentVAE`.

    Raises:
        InputError: If a number is negative, or there are more attributes than dimensions.
    """

    needs: ClassVar[Needs] = Needs(tokens=True)
    columns: Tensor

    def __init__(
        self,
        *,
        beta: float,
        capacity: float,
        gamma: float,
        delta: float,
        attributes: Sequence[str] | None = None,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        check_weights(beta=beta, capacity=capacity, gamma=gamma, delta=delta)
        self.beta = beta
        self.capacity = capacity
        self.gamma = gamma
        self.delta = delta
        self.attributes = None if attributes is None else list(attributes)
        num_classes, latent_dim = self.prior.numel(), self.encoder.embed_dim
        count = num_classes if self.attributes is None else len(self.attributes)
        if not 1 <= count <= latent_dim:
            raise InputError(
                f"method=ar_vae needs a latent dimension for each of {count} attributes, and there "
                f"are {latent_dim}; name some with method.attributes=[NAME,...], or raise "
                "autoencoder.latent_dim."
            )
        self.register_buffer("columns", torch.arange(count))  # of the attribute of each dimension

    @property
    def attribute_dimensions(self) -> Sequence[int | None]:
        """The latent dimension of each target of the corpus; None for one that has none."""
        columns = self.columns.tolist()
        return [
            columns.index(column) if column in columns else None
            for column in range(self.prior.numel())
        ]

    def setup(self, stage: str) -> None:
        """Find the attributes among the targets of the corpus.

        Raises:
            InputError: If there is no attribute of a name, or one is named twice.
        """
        super().setup(stage)
        if stage != "fit" or self.attributes is None:
            return
        classes = list(self.data.corpus.classes)
        unknown = [name for name in self.attributes if name not in classes]
        if unknown or len(set(self.attributes)) < len(self.attributes):
            raise InputError(
                f"method.attributes=[{','.join(self.attributes)}] must name different ones of "
                f"{', '.join(classes)}."
            )
        self.columns.copy_(torch.tensor([classes.index(name) for name in self.attributes]))

    def regularised(self, kl: Tensor, z: Tensor, batch: Batch, epoch: float) -> Regularised:
        """Return the weighted distance from the capacity, and that of the orders."""
        of_capacity = self.beta * (kl - self.capacity).abs()
        if self.gamma == 0:
            return Regularised(of_capacity, {})
        y, mask = batch.y[:, self.columns], batch.mask[:, self.columns]
        # Pairs of clips of different ranks count too.
        z_of_all, y, mask = gathered(z[:, : len(self.columns)], y, mask)
        order = attribute_order(z_of_all, y, mask, self.delta).sum()
        return Regularised(of_capacity + self.gamma * order, {"attribute_order": order})
