"""`vade`: a variational autoencoder whose prior of the latent variables is a Gaussian mixture."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import nll_loss

from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.evaluation.clustering import cluster_accuracy
from musicssl.losses.vade import component_costs, log_responsibilities, vade_kl
from musicssl.methods.base.autoencoder import AutoencoderMethod
from musicssl.methods.base.phases import Phases
from musicssl.methods.generative.mixture import MixturePrior, fit_mixture
from musicssl.methods.generative.pictures import FeatureModel
from musicssl.methods.generative.summary import ClipWeights
from musicssl.methods.generative.vae import Bound
from musicssl.networks.distributed import gathered
from musicssl.networks.pooling import Instances
from musicssl.probing.base import Embeddings


class VaDE(AutoencoderMethod):
    """Cluster clips; with labels, each class is a component of the mixture.

    Jiang et al. 2017, "Variational Deep Embedding", https://arxiv.org/abs/1611.05148; see
    `musicssl.losses.vade`.

    Training has two phases. For `pretrain_epochs` epochs an autoencoder is trained: z is the mean
    of q(z|x), and the loss is the reconstruction error. None of these epochs is kept as the best.
    Then a mixture is fitted to the means of all training clips, and both are trained together with
    the bound. The authors pretrain layer by layer and start from uniform weights pi; we train all
    layers at once, and take weights, means and variances from the fit.

    With `b_s=0` no label is used, and a linear probe predicts. In a multi-class task,
    `val/cluster_accuracy` is logged, see `musicssl.evaluation.clustering`, with the component most
    responsible for the mean of q(z|x) as the cluster. The authors' code uses a sample of q(z|x)
    instead, which is noisy.

    With any other `b_s` each component is a class. A labelled clip belongs to the component of its
    class, which adds -log pi of that component to its loss; the mixture starts from the means of
    the classes. The probabilities of classes are the responsibilities for the mean of q(z|x),
    without a probe. `classification_weight` times the cross-entropy of the labelled clips of a
    batch is added to the loss.

    `equal_components` is the semi-supervised form of Tan 2020, "Semi-Supervised Learning for Music
    Modelling", https://gudgud96.github.io/2020/05/13/semi-supervised-music/, whose terms have no
    probability of a component: KL(q(z|x) || p(z|y)) of a labelled clip, and of another one
    sum_y q(y|x) KL(q(z|x) || p(z|y)) - H(q(y|x)). That is the bound with all components equally
    probable, less log K, which we keep so that `val/bound_loss` bounds the likelihood. q(z|x, y) is
    q(z|x), as there y is inferred from z alone.

    The loss of either phase is, in expectation, the mean over all clips that batches are drawn
    from. Labelled clips are drawn more often than others and get a smaller weight, and a labelled
    clip whose labels are hidden gets weight 0: see `ClipWeights`.

    Logged in addition to `AutoencoderMethod`: `train/loss` and its parts `train/reconstruction`
    and, after pretraining, `train/kl`, with labels also `train/cross_entropy`.

    Args:
        b_s: Value of `data.b_s`; 0 if labels are not used.
        num_components: Number of components, K; None for the number of classes.
        pretrain_epochs: Epochs of the autoencoder.
        classification_weight: Weight of the cross-entropy of the responsibilities for labelled
            clips.
        equal_components: Whether all components are equally probable, instead of with probabilities
            that are learnt.
        parts: See `AutoencoderMethod`.

    Raises:
        InputError: If labels are used and components cannot be classes, or a number is out of
            range.
    """

    artifacts: ClassVar[tuple[str, ...]] = (
        *AutoencoderMethod.artifacts,
        "musicssl.runs.artifacts.clusters.Clusters",
    )
    initialised: Tensor

    def __init__(
        self,
        *,
        b_s: float | None,
        num_components: int | None,
        pretrain_epochs: int,
        classification_weight: float,
        equal_components: bool = False,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        self.phases = Phases(self, pretrain_epochs, self._frozen_parameters)
        num_classes = self.prior.numel()
        count = num_classes if num_components is None else num_components
        self.b_s = b_s
        self.semi_supervised = b_s != 0
        if self.semi_supervised and not self.task.one_class_per_clip:
            raise InputError(
                "with labels each component of method=vade is a class, but a clip of this corpus "
                "may have several classes or none; set data.b_s=0, or choose method=dgm."
            )
        if self.semi_supervised and count != num_classes:
            raise InputError(
                f"method.num_components={count}, but with labels each of the {num_classes} classes "
                "is a component; leave it out, or set data.b_s=0."
            )
        _check_numbers(count, classification_weight)
        self.classification_weight = classification_weight
        self.mixture = MixturePrior(count, self.encoder.embed_dim, equal_components)
        self.register_buffer("initialised", torch.tensor(False))

    @property
    def pretraining(self) -> bool:
        """Whether the autoencoder is trained alone."""
        return self.phases.pretraining

    def _frozen_parameters(self, pretraining: bool) -> Iterable[nn.Parameter]:
        """Return the parameters of the mixture in pretraining, and none afterwards."""
        return self.mixture.parameters() if pretraining else ()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Drop the gradients of parameters that this phase does not train."""
        super().on_before_optimizer_step(optimizer)
        self.phases.drop_frozen_gradients()

    def setup(self, stage: str) -> None:
        """Check that there are clips for every component.

        Raises:
            InputError: If no epoch is left after pretraining, `b_s` differs from that of the data,
                there are more components than clips, or a class has no labelled clip to start from.
        """
        if stage == "fit":
            self.phases.check_epochs()
        super().setup(stage)
        if stage != "fit":
            return
        datamodule = self.data
        if datamodule.b_s != self.b_s:
            raise InputError("method.b_s must be the same as data.b_s; set data.b_s only.")
        count, clips = len(self.mixture.logits), len(datamodule.training_rows())
        if count > clips:
            raise InputError(
                f"method.num_components={count} is more than the {clips} training clips; lower it."
            )
        if self.semi_supervised:
            targets, mask = datamodule.labels("train")
            missing = (targets[mask.all(dim=1)] < 0.5).all(dim=0)
            if missing.any():
                names = [datamodule.corpus.classes[c] for c in missing.nonzero()[:, 0]]
                raise InputError(
                    "method=vade starts each component from labelled clips of its class, and there "
                    f"is none of {', '.join(names)}; set data.stratified=true, raise data.p_s, or "
                    "set data.b_s=0."
                )

    def on_fit_start(self) -> None:
        """Compute the weights of clips from the plan of the batches."""
        plan = self.data.batch_plan()
        self._weights = ClipWeights(plan, self.device)

    def on_train_epoch_start(self) -> None:
        """Fit the mixture after pretraining, once in a run, even if it is resumed."""
        if self.pretraining or self.initialised:
            return
        datamodule = self.data
        clips = self.probe.embedded(datamodule.batches_of(datamodule.training_rows()))
        classes = None
        if self.semi_supervised:
            classes = clips.y.argmax(dim=1).where(clips.mask.all(dim=1), -1)
        count = len(self.mixture.logits)
        fitted = fit_mixture(clips.h, count, datamodule.seed, classes)
        self.mixture.take(self.trainer.strategy.broadcast(fitted))  # GPUs may differ in a last bit
        self.initialised.fill_(True)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the reconstruction error in pretraining, then the loss."""
        x, weights = self.encoder.summary.of(batch), self._weights.of(batch)
        q = self.encoder.posterior(x)
        if self.pretraining:
            loss: Tensor = (weights * self.decoder.negative_log(q.mean, x)).sum()
            self.record(loss=loss, reconstruction=loss)
            return self.phases.touch_all_parameters(loss)
        z = q.sample(torch.randn_like(q.mean))
        mixture = self.mixture()
        costs, log_gamma = component_costs(*q, mixture), log_responsibilities(z, mixture)  # (B, K)
        kl = vade_kl(costs, log_gamma)  # (B,)
        cross_entropy, terms = kl.new_zeros(()), {}
        if self.semi_supervised:
            labelled, answer = batch.mask.all(dim=1), batch.y.argmax(dim=1)  # (B,)
            kl = costs.gather(1, answer[:, None])[:, 0].where(labelled, kl)
            log_gamma, labelled, answer = gathered(log_gamma, labelled, answer)
            answers = nll_loss(log_gamma[labelled], answer[labelled], reduction="sum")
            cross_entropy = answers / labelled.sum().clamp_min(1)
            terms["cross_entropy"] = cross_entropy
        reconstruction = (weights * self.decoder.negative_log(z, x)).sum()
        kl = (weights * kl).sum()
        loss = reconstruction + kl + self.classification_weight * cross_entropy
        self.record(**terms, loss=loss, reconstruction=reconstruction, kl=kl)
        return loss

    def bound(self, x: Tensor) -> Bound:
        """Bound -log p(x) of summaries, (B, D), from above with one sample of z."""
        q, mixture = self.encoder.posterior(x), self.mixture()
        z = q.sample(torch.randn_like(q.mean))
        kl = vade_kl(component_costs(*q, mixture), log_responsibilities(z, mixture))
        return Bound(self.decoder.negative_log(z, x), kl)

    def log_clusters(self, h: Tensor) -> Tensor:
        """Return log q(c|x) of clips by their embeddings, (B, Z) -> (B, K)."""
        return log_responsibilities(h, self.mixture())

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits of the clips, (B, C): responsibilities, or the probe's."""
        if not self.semi_supervised:
            return super().forward(batch)
        return self.log_clusters(self.classifier.clip_embeddings(batch))

    def instances(self, batch: Batch) -> Instances:
        """Return the logits of each clip as those of its single instance."""
        if not self.semi_supervised:
            return super().instances(batch)
        logits = self(batch.to(self.device)).unsqueeze(1)  # (B, 1, C)
        return Instances(logits, torch.zeros_like(logits))

    @property
    def predicts_by_network(self) -> bool:
        """Whether the probe predicts, and not the mixture."""
        return not self.semi_supervised

    def predicted(self, val: Embeddings) -> Tensor:
        """Return the logits of the validation clips, (N, C); see `forward`."""
        return self.log_clusters(val.h) if self.semi_supervised else self.probe.logits(val)

    def conclude(self, datamodule: SemiSupervisedDataModule) -> bool:
        """Fit the probe to all labelled training clips, if the probe predicts."""
        return not self.semi_supervised and super().conclude(datamodule)

    def further_metrics(self, val: Embeddings) -> dict[str, float]:
        """Return the agreement of clusters with classes in a multi-class task, else nothing."""
        if not self.task.one_class_per_clip:
            return {}
        labelled = val.mask.all(dim=1)
        clusters = self.log_clusters(val.h[labelled]).argmax(dim=1)
        pair = (part.cpu().numpy() for part in (clusters, val.y[labelled].argmax(dim=1)))
        return {"val/cluster_accuracy": cluster_accuracy(*pair)}

    def shown(self) -> FeatureModel:
        """Return the autoencoder with its mixture, for figures."""
        model = super().shown()
        return replace(model, prior=self.mixture(), components_are_classes=self.semi_supervised)


def _check_numbers(num_components: int, classification_weight: float) -> None:
    if num_components < 1:
        raise InputError(f"method.num_components must be 1 or more, got {num_components}.")
    if not 0 <= classification_weight < math.inf:
        raise InputError(
            "method.classification_weight must be 0 or more, and finite, got "
            f"{classification_weight:g}."
        )
