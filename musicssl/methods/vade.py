"""VaDE: a variational autoencoder whose latent variables come from a mixture of Gaussians."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import nll_loss

from musicssl.batch import Batch
from musicssl.clustering import cluster_accuracy
from musicssl.errors import InputError
from musicssl.generative.mixture import MixturePrior, fit_mixture
from musicssl.generative.showing import FeatureModel
from musicssl.generative.vae import Bound
from musicssl.losses.vade import component_costs, log_responsibilities, vade_kl
from musicssl.methods.base import ServesClips
from musicssl.methods.m1 import M1
from musicssl.pooling import Instances
from musicssl.probing.probe import Embeddings


class VaDE(M1):
    """Cluster clips, or, with labels, let each class be a component of the mixture.

    Jiang et al. 2017, "Variational Deep Embedding", https://arxiv.org/abs/1611.05148; see
    `musicssl.losses.vade`.

    Training has two phases. For `pretrain_epochs` epochs an autoencoder is trained: z is the mean
    of q(z|x), and only its reconstruction counts. No such epoch is kept as the best. Then a mixture
    is fitted to the means of all training clips, and both are trained together by the bound. Where
    the authors pretrain layer by layer and leave the weights pi uniform, we train all layers at
    once, and take weights, means and variances from the fit.

    With `b_s=0` no label is seen. What is learnt is judged as M1 is, by a linear probe. If a clip
    has one class, `val/cluster_accuracy` is logged, see `musicssl.clustering`: that of the
    component most responsible for the mean of q(z|x). The authors' code decides by a sample of it,
    which is noisy.

    With any other `b_s` a component is a class. A labelled clip is of the component of its class,
    and pays -log pi of it; the mixture starts from the classes' means. The probabilities of classes
    are the responsibilities for the mean of q(z|x), and no probe decides. The loss is
    N_l / N times the mean bound of the labelled clips of a batch, plus N_u / N times that of the
    others, plus `classification_weight` times the cross-entropy of the labelled: in expectation
    the mean over all N = N_l + N_u clips that batches draw. A labelled clip that comes among the
    unlabelled ones of a batch does not count there, or it would twice.

    Logged besides what `M1` logs: `train/cross_entropy` where there are labels.

    Args:
        b_s: `data.b_s`, which says whether labels are seen.
        num_components: K; None for the number of classes.
        pretrain_epochs: Epochs of the autoencoder.
        classification_weight: Of the cross-entropy of the responsibilities, for labelled clips.
        parts: See `M1`.

    Raises:
        InputError: If components cannot be classes and labels are to be seen, or a number cannot
            be.
    """

    initialised: Tensor
    labelled_rows: Tensor

    def __init__(
        self,
        *,
        b_s: float | None,
        num_components: int | None,
        pretrain_epochs: int,
        classification_weight: float,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        num_classes = self.prior.numel()
        count = num_classes if num_components is None else num_components
        self.b_s = b_s
        self.semi_supervised = b_s != 0
        if self.semi_supervised and self.task.name != "multi_class":
            raise InputError(
                "with labels the components of method=vade are classes, of which a clip of this "
                "corpus may have several or none; set data.b_s=0, or choose method=dgm."
            )
        if self.semi_supervised and count != num_classes:
            raise InputError(
                f"method.num_components={count}, but with labels each of the {num_classes} classes "
                "is a component; leave it out, or set data.b_s=0."
            )
        _check_numbers(count, pretrain_epochs, classification_weight)
        self.pretrain_epochs = pretrain_epochs
        self.classification_weight = classification_weight
        self.mixture = MixturePrior(count, self.encoder.embed_dim)
        self.register_buffer("initialised", torch.tensor(False))
        self.register_buffer("labelled_rows", torch.empty(0, dtype=torch.int64), persistent=False)
        self._shares = 0.0, 1.0  # N_l / N and N_u / N

    @property
    def pretraining(self) -> bool:
        """Whether this epoch trains the autoencoder alone."""
        return self.trainer.current_epoch < self.pretrain_epochs

    def setup(self, stage: str) -> None:
        """Count the labelled clips.

        Raises:
            InputError: If nothing is left after pretraining, labels are to be seen here and not in
                the data or the other way round, there are more components than clips, or a class
                has no labelled clip to start from.
        """
        super().setup(stage)
        if stage != "fit":
            return
        datamodule, epochs = self.trainer.datamodule, self.trainer.max_epochs  # type: ignore[attr-defined]
        if epochs is not None and 0 <= epochs <= self.pretrain_epochs:
            raise InputError(
                f"method.pretrain_epochs={self.pretrain_epochs} leaves none of the "
                f"trainer.max_epochs={epochs}; raise these, or lower the former."
            )
        if datamodule.b_s != self.b_s:
            raise InputError("method.b_s is not for itself; leave it out and set data.b_s alone.")
        count, clips = len(self.mixture.logits), len(datamodule.training_rows())
        if count > clips:
            raise InputError(
                f"method.num_components={count} is more than the {clips} training clips; lower it."
            )
        if self.semi_supervised:
            self._count_labelled()

    def _count_labelled(self) -> None:
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]
        targets, mask = datamodule.labels("train")
        known = mask.all(dim=1)
        missing = (targets[known] < 0.5).all(dim=0)
        if missing.any():
            names = [datamodule.corpus.classes[c] for c in missing.nonzero()[:, 0]]
            raise InputError(
                f"method=vade starts each component from labelled clips of its class, and there is "
                f"none of {', '.join(names)}; set data.stratified=true, raise data.p_s, or set "
                "data.b_s=0."
            )
        labelled = datamodule.rows("train")[known.numpy()]
        plan = datamodule.batch_plan()
        drawn = plan.labelled.pool if self.b_s is None else plan.unlabelled.pool
        others = len(np.setdiff1d(drawn, labelled))
        total = len(labelled) + others
        self._shares = len(labelled) / total, others / total
        self.labelled_rows = torch.from_numpy(labelled).to(self.labelled_rows.device)

    def on_train_epoch_start(self) -> None:
        """Fit the mixture when pretraining is over, once in a run however often it is resumed."""
        if self.pretraining or self.initialised:
            return
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]
        clips = self.embedded(datamodule.batches_of(datamodule.training_rows()))
        classes = None
        if self.semi_supervised:
            classes = clips.y.argmax(dim=1).where(clips.mask.all(dim=1), -1)
        count = len(self.mixture.logits)
        fitted = fit_mixture(clips.h, count, datamodule.seed, classes)
        self.mixture.take(self.trainer.strategy.broadcast(fitted))  # GPUs may differ in a last bit
        self.initialised.fill_(True)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the reconstruction error in pretraining, then the loss."""
        x = self.encoder.summary.of(batch)
        if self.pretraining:
            return self._pretraining_step(x)
        q = self.encoder.posterior(x)
        z = q.sample(torch.randn_like(q.mean))
        reconstruction = self.decoder.negative_log(z, x)  # (B,)
        mixture = self.mixture()
        costs, log_gamma = component_costs(*q, mixture), log_responsibilities(z, mixture)  # (B, K)
        kl = vade_kl(costs, log_gamma)
        if not self.semi_supervised:
            loss = (reconstruction + kl).mean()
            self.record(loss=loss, reconstruction=reconstruction.mean(), kl=kl.mean())
            return loss
        labelled, answer = batch.mask.all(dim=1), batch.y.argmax(dim=1)  # (B,)
        kl = torch.where(labelled, costs.gather(1, answer[:, None])[:, 0], kl)
        weight = self._weights(labelled, batch)
        answers = nll_loss(log_gamma[labelled], answer[labelled], reduction="sum")
        cross_entropy = answers / labelled.sum().clamp_min(1)
        parts = {"reconstruction": weight @ reconstruction, "kl": weight @ kl}
        loss = sum(parts.values()) + self.classification_weight * cross_entropy
        self.record(loss=loss, cross_entropy=cross_entropy, **parts)
        return loss

    def _pretraining_step(self, x: Tensor) -> Tensor:
        reconstruction = self.decoder.negative_log(self.encoder.posterior(x).mean, x).mean()
        self.record(loss=reconstruction, reconstruction=reconstruction)
        # Several devices must have a gradient of every parameter at every step.
        return reconstruction + 0 * sum(values.sum() for values in self.mixture.parameters())

    def _weights(self, labelled: Tensor, batch: Batch) -> Tensor:
        """Return what the bound of each clip counts in the loss, (B,)."""
        assert batch.rows is not None
        others = ~labelled & ~torch.isin(batch.rows, self.labelled_rows)
        share_l, share_u = self._shares
        of_labelled = share_l / labelled.sum().clamp_min(1) * labelled
        return of_labelled + share_u / others.sum().clamp_min(1) * others

    def bound(self, x: Tensor) -> Bound:
        """Bound -log p(x) of summaries, (B, D), from above with one sample of z; see `M1`."""
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
        """Return the decision about each clip as that about its one instance."""
        if not self.semi_supervised:
            return super().instances(batch)
        logits = self(batch.to(self.device)).unsqueeze(1)  # (B, 1, C)
        return Instances(logits, torch.zeros_like(logits))

    def decided(self, val: Embeddings) -> Tensor:
        """Return the logits of the validation clips, (N, C); see `forward`."""
        return self.log_clusters(val.h) if self.semi_supervised else super().decided(val)

    def conclude(self, datamodule: ServesClips) -> bool:
        """Fit the probe to all labelled training clips, if there is one."""
        return not self.semi_supervised and super().conclude(datamodule)

    def judge(self, val: Embeddings) -> None:
        """Log what becomes of the validation clips."""
        super().judge(val)
        if self.task.name == "multi_class":
            known = val.mask.all(dim=1)
            clusters = self.log_clusters(val.h[known]).argmax(dim=1)
            pair = (part.cpu().numpy() for part in (clusters, val.y[known].argmax(dim=1)))
            self.log("val/cluster_accuracy", cluster_accuracy(*pair), sync_dist=True)

    def shown(self) -> FeatureModel:
        """Return the autoencoder for pictures, with its mixture."""
        model = super().shown()
        return replace(model, prior=self.mixture(), components_are_classes=self.semi_supervised)


def _check_numbers(num_components: int, pretrain_epochs: int, classification_weight: float) -> None:
    if num_components < 1:
        raise InputError(f"method.num_components must be 1 or more, got {num_components}.")
    if pretrain_epochs < 0:
        raise InputError(f"method.pretrain_epochs must be 0 or more, got {pretrain_epochs}.")
    if not 0 <= classification_weight < math.inf:
        raise InputError(
            "method.classification_weight must be 0 or more, and finite, got "
            f"{classification_weight:g}."
        )
