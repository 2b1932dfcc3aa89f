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

    h1, h2 and h3 are the hidden layers of the encoder, followed by rectifiers, as in Table 4.1 of
    the thesis; the decoder has the same in reverse order, which the thesis does not say. Its
    classifiers are networks of their own, alike for all h1, h2 and h3 ("similar to the FC model" of
    section 3.3.1), and its clips are the instances one after the other: `experiment=dgm` sets both.
    By default a classifier has the layers of the encoder, and a clip is a summary of its instances,
    which is faster.

    Args:
        likelihood: Distribution of the features of a clip; see `musicssl.losses.likelihoods`.
        summary: Kind of the features; see `ClipSummary`.
        generative: False trains only the classifiers, on the same batches. (Section 4.5.1 of the
            thesis describes this as DNN, but the numbers of that row in Table 4.2 are those of FC
            in Table 3.1: `experiment=dnn`.)
        h1: Width of the first hidden layers.
        h2: Width of the second hidden layers; 0 for none.
        h3: Width of the third hidden layers; 0 for none.
        latent_dim: Dimensions of z.
        dropout: Probability of dropping a hidden unit of a classifier.
        beta: Weight of the cross-entropy; without effect if `generative` is False.
        weighting: See `M2Method`; without effect if `generative` is False.
        classifier_hidden: See `M2Method`.
        classifier_slope: See `M2Method`.
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
