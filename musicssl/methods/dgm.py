"""`dgm`: the semi-supervised deep generative model M2, one for each label, all in one run."""

from functools import partial
from typing import Any, Literal

from torch import Tensor

from musicssl.data.label_batches import LabelRows
from musicssl.losses.likelihoods import Likelihood
from musicssl.methods.base.m2 import M2Method
from musicssl.methods.generative.sizes import hidden_layers
from musicssl.methods.generative.summary import ClipSummary


class DeepGenerativeModel(M2Method):
    """Train an M2 for each label on summaries of clips, as in chapter 4 of Gururani's thesis.

    The settings of the thesis were taken from a summary of it, not from its text. It is assumed
    that h1, h2 and h3 are the hidden layers of encoder and classifier, and that the decoder has the
    same layers in reverse order. Rectifiers, and dropout only in the classifiers, are our choice.

    Args:
        likelihood: Distribution of the features of a clip; see `musicssl.losses.likelihoods`.
        summary: Kind of the features; see `ClipSummary`.
        generative: False trains only the classifiers, on the same batches: the thesis's DNN.
        h1: Width of the first hidden layers.
        h2: Width of the second hidden layers; 0 for none.
        h3: Width of the third hidden layers; 0 for none.
        latent_dim: Dimensions of z.
        dropout: Probability of dropping a hidden unit of a classifier.
        beta: Weight of the cross-entropy; without effect if `generative` is False.
        prior: See `M2Method`.
        select: See `M2Method`.
        parts: See `M2Method` and `Method`.

    Raises:
        InputError: See `M2Method`.
    """

    def __init__(
        self,
        *,
        likelihood: Likelihood,
        summary: str = "mean_std",
        generative: bool = True,
        h1: int = 512,
        h2: int = 256,
        h3: int = 0,
        latent_dim: int = 64,
        dropout: float = 0.5,
        beta: float = 32.0,
        prior: Literal["uniform", "labelled"] = "uniform",
        select: str = "val/loss",
        **parts: Any,
    ) -> None:
        super().__init__(
            features=partial(ClipSummary, kind=summary, standardised=likelihood.standardised),
            likelihood=likelihood if generative else None,
            hidden=hidden_layers(h1=h1, h2=h2, h3=h3),
            latent_dim=latent_dim,
            dropout=dropout,
            beta=beta,
            prior=prior,
            select=select,
            **parts,
        )

    def training_step(self, batch: LabelRows, batch_idx: int) -> Tensor:
        """Return the sum of the losses of all models."""
        loss, terms = self.objective(batch)
        self.record(**terms)
        return loss
