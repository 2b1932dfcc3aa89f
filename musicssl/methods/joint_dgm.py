"""`joint_dgm`: one M2 for all labels of a clip together."""

import math
from functools import partial
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.evaluation.tasks import task_named
from musicssl.losses.likelihoods import Likelihood
from musicssl.losses.masked_bce import masked_bce
from musicssl.methods.base.method import NETWORK_ARTIFACTS, Method
from musicssl.methods.generative.joint import JointM2
from musicssl.methods.generative.pictures import FeatureModel, shown_joint
from musicssl.methods.generative.sizes import check_latent_dim, hidden_layers
from musicssl.methods.generative.summary import ClipWeights, learn_scale
from musicssl.methods.generative.training_clips import answer_shares
from musicssl.methods.generative.vae import SummaryEncoder
from musicssl.networks.distributed import gathered
from musicssl.networks.pooling import MeanPooling


class JointDGM(Method):
    """Train one generative model of clips and all of their labels, observed or not.

    Our extension of M2 (Kingma et al. 2014, https://arxiv.org/abs/1406.5298), which enumerates the
    values of one y: a sum over all combinations of C labels has 2^C terms. Here q(y|x) is
    factorised into C Bernoulli distributions, and labels that were not observed are drawn from
    their relaxation, as in the hybrid estimators of Maddison et al. 2017,
    https://arxiv.org/abs/1611.00712, and Jang et al. 2017. Any subset of a clip's labels may be
    observed. In a multi-class task there are only C combinations, which `method=dgm` enumerates.

    The loss, for the N clips that batches are drawn from, is

        1/N * sum of bounds of -log p(x, observed labels) + beta * mean cross-entropy,

    where the cross-entropy is that of q(y|x) with the observed labels of a batch, averaged over
    these. See `JointM2.partly_labelled_bound`. With `data.b_s=null` the first term is the mean over
    a batch. Otherwise labelled clips are drawn more often than others and get a smaller weight, and
    a labelled clip whose labels are hidden gets weight 0: see `ClipWeights`. In the bound, a target
    counts as present from 0.5 up.

    Logged with each epoch, besides `train/loss`: its parts `train/bound`, in nats per clip, and
    `train/cross_entropy`.

    Args:
        likelihood: Distribution of the features of a clip; see `musicssl.losses.likelihoods`.
        num_classes: Number of classes, C.
        task: Kind of the targets; see `musicssl.data.corpus.Corpus`.
        summary: Kind of the features; see `ClipSummary`.
        h1: Width of the first hidden layers of encoder and classifier; the decoder's are reversed.
        h2: Width of the second hidden layers; 0 for none.
        h3: Width of the third hidden layers; 0 for none.
        latent_dim: Dimensions of z.
        dropout: Probability of dropping a hidden unit of the classifier.
        temperature: Temperature of the relaxed labels; see `relaxed_bernoulli`.
        beta: Weight of the cross-entropy. Because that is a mean over labels, beta of `method=dgm`,
            where each label has its own bound, corresponds to C times as much here.
        prior: p(y): "uniform", or "labelled", the shares of the values in the labelled clips.
        parts: See `Method`; the method has its own encoder and pooling.

    Raises:
        InputError: If a clip of the corpus cannot have several labels, or a setting is invalid.
    """

    artifacts: ClassVar[tuple[str, ...]] = (
        *NETWORK_ARTIFACTS,
        "musicssl.runs.artifacts.generative.GenerativePictures",
    )
    loss_curves: ClassVar[tuple[str, ...]] = ("train/cross_entropy", "val/loss")

    def __init__(
        self,
        *,
        likelihood: Likelihood,
        num_classes: int,
        task: str = "multi_label",
        summary: str = "mean_std",
        h1: int = 512,
        h2: int = 256,
        h3: int = 0,
        latent_dim: int = 64,
        dropout: float = 0.5,
        temperature: float = 0.5,
        beta: float = 256.0,
        prior: Literal["uniform", "labelled"] = "uniform",
        **parts: Any,
    ) -> None:
        _check_task(task)
        _check_settings(temperature, beta, prior)
        check_latent_dim(latent_dim)
        hidden = hidden_layers(h1=h1, h2=h2, h3=h3)
        super().__init__(
            encoder=partial(
                SummaryEncoder,
                summary=summary,
                standardised=likelihood.standardised,
                hidden=hidden,
                dropout=dropout,
            ),
            pooling=MeanPooling,
            num_classes=num_classes,
            task=task,
            **parts,
        )
        self.generator = JointM2(num_classes, self.summary.dim, hidden, latent_dim, likelihood)
        self.temperature = temperature
        self.beta = beta
        self.prior_of_labels = prior

    @property
    def summary(self) -> Any:
        """The `ClipSummary` that both the generative model and the classifier use."""
        return self.classifier.encoder.summary

    def setup(self, stage: str) -> None:
        """Learn the scale of the features, and p(y).

        Raises:
            InputError: If the likelihood does not fit the features.
        """
        super().setup(stage)
        if stage != "fit":
            return
        datamodule = self.data
        batches = datamodule.batches_of(datamodule.training_rows())
        learn_scale(self.summary, self.generator.likelihood, batches)
        if self.prior_of_labels == "labelled":
            targets, mask = datamodule.labels("train")
            shares = answer_shares(targets, mask, self.task)  # (C, 2)
            self.generator.prior_logits.copy_(shares[:, 1].logit())

    def on_fit_start(self) -> None:
        """Compute the weights of clips from the plan of the batches."""
        plan = self.data.batch_plan()
        self._weights = ClipWeights(plan, self.device)

    def compiled_calls(self) -> list[tuple[nn.Module, str]]:
        """Return what its training step calls that can be compiled; see `Method`."""
        return [(self.classifier.encoder, "layers"), (self.generator, "partly_labelled_bound")]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        bounds, cross_entropy = self.terms(batch)
        bound = (self._weights.of(batch) * bounds).sum()  # mixed precision halves that of `@`
        loss = bound + self.beta * cross_entropy
        self.record(loss=loss, bound=bound, cross_entropy=cross_entropy)
        return loss

    def terms(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the bound of each clip, (B,), and the mean cross-entropy of observed labels."""
        x = self.summary.of(batch)
        h = self.classifier.encoder.layers(x)
        logits = self.classifier.pooling.classifier(h)  # (B, C)
        bounds = self.generator.partly_labelled_bound(
            x, batch.y >= 0.5, batch.mask, logits, self.temperature
        )
        return bounds, masked_bce(*gathered(logits, batch.y, batch.mask))

    def shown(self) -> FeatureModel:
        """Return the generative part for pictures."""
        return shown_joint(self.generator, self.summary)


def _check_task(task: str) -> None:
    if task_named(task).one_class_per_clip:
        raise InputError(
            "method=joint_dgm is for clips that may have several labels, but the clips of this "
            "corpus have one class each; choose method=dgm, which enumerates the classes."
        )
    if not task_named(task).has_classes:
        raise InputError(
            "method=joint_dgm classifies, but this corpus is a regression; choose another method, "
            "such as method=att."
        )


def _check_settings(temperature: float, beta: float, prior: str) -> None:
    if not isinstance(temperature, int | float) or not 0 < temperature < math.inf:
        raise InputError(f"method.temperature must be above 0 and finite, got {temperature}.")
    if not isinstance(beta, int | float) or not 0 <= beta < math.inf:
        raise InputError(f"method.beta must be 0 or more, and finite, got {beta}.")
    if prior not in ("uniform", "labelled"):
        raise InputError(f"method.prior must be uniform or labelled, got {prior}.")
