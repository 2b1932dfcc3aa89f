"""The base class of the methods that train an M2 for each label."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn

from musicssl.batch import Batch
from musicssl.data.label_batches import LabelRows
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.evaluation.epoch_outputs import EpochOutputs
from musicssl.evaluation.tasks import task_named
from musicssl.losses.likelihoods import Likelihood
from musicssl.losses.m2 import log_answers, unlabelled_bound
from musicssl.methods.base.method import NETWORK_ARTIFACTS, Method
from musicssl.methods.generative.labelwise import LabelwiseEncoder, LabelwiseHead
from musicssl.methods.generative.m2 import M2
from musicssl.methods.generative.pictures import FeatureModel, shown_m2
from musicssl.methods.generative.selected import SelectedWeights, check_criterion, values_of_models
from musicssl.methods.generative.sizes import check_latent_dim, check_widths
from musicssl.methods.generative.training_clips import Answered, TrainingClips, answer_shares
from musicssl.networks.transfer import Columns, Transfer


class Terms(NamedTuple):
    """The losses of a batch for each model, (M,) each, in nats per clip.

    Attributes:
        labelled: Mean of L(x, y) over the labelled clips.
        unlabelled: Mean of U(x) over the unlabelled clips.
        cross_entropy: Mean of -log q(y|x) over the labelled clips.
    """

    labelled: Tensor
    unlabelled: Tensor
    cross_entropy: Tensor


class M2Method(Method):
    """Learn each label with its own M2, a generative model of clips given the label.

    Kingma et al. 2014, https://arxiv.org/abs/1406.5298, by binary relevance: each model draws
    batches of the clips in which its label was observed and of the other clips. In a multi-class
    task there is a single model, whose y is the class. The models share nothing and learn the same
    as if each was trained alone (unless gradients are clipped, which uses the norm over all
    models); they are trained together because that is faster.

    The loss of each model is

        sum over D_l of L(x, y) + sum over D_u of U(x) + alpha * sum over D_l of -log q(y|x)

    with alpha = beta |D_u| / |D_l|, which can be read in two ways. `weighting="sums"` takes sums as
    sums and divides by |D_u|, which the batches estimate by

        |D_l| / |D_u| * mean L + mean U + beta * mean cross-entropy.

    `weighting="batch_means"` is what Algorithm 1 in chapter 4 of Gururani's thesis steps on, the
    means of a labelled and an unlabelled batch of the same size:

        mean L + mean U + beta |D_u| / |D_l| * mean cross-entropy.

    Here L and the cross-entropy weigh |D_u| / |D_l| times as much relative to U, about 8 to 12
    times on OpenMIC. (The thesis's equation 4.8 has sums in the first two terms and an expectation
    in the last, which is a third reading; it is not offered.) Without unlabelled clips in a batch
    (`data.b_s=1`) both are mean L + beta * mean cross-entropy. If a label was observed in all
    training clips, D_u consists of all of them, with the label hidden, and a clip counts in both
    sums.

    Each model keeps the weights of its own best epoch, which are validated as `val/...`, predict
    and are saved. The metrics of the weights of the latest epoch are `val/latest_...`.

    Args:
        features: Builds the module that computes the features; see `LabelwiseEncoder`.
        likelihood: Distribution of these features; None trains only the classifiers, on the same
            batches.
        num_features: Features of an instance, F.
        num_instances: Instances of the longest clip, T.
        num_classes: Number of classes, C.
        task: Kind of the targets; see `musicssl.data.corpus.Corpus`.
        hidden: Widths of the hidden layers of the encoder; the decoder's are reversed.
        latent_dim: Dimensions of z.
        dropout: Probability of dropping a hidden unit of a classifier.
        beta: Weight of the cross-entropy; without effect if only classifiers are trained.
        weighting: "sums" or "batch_means", see above.
        classifier_hidden: Widths of the hidden layers of the classifier; None for those of the
            encoder.
        classifier_slope: Slope of the classifier's rectifiers below 0.
        prior: p(y): "uniform", or "labelled", the shares of the values in the labelled clips.
        select: Metric that chooses the best epoch of each model, such as "val/loss".
        parts: See `Method`.

    Raises:
        InputError: If the corpus is a regression, or a setting is invalid.
    """

    needs: ClassVar[Needs] = Needs(by_label=True)
    predicts_with: ClassVar[str] = "selected.copies.classifier"
    copies: ClassVar[tuple[str, ...]] = ("selected.copies.classifier",)
    artifacts: ClassVar[tuple[str, ...]] = (
        *NETWORK_ARTIFACTS,
        "musicssl.runs.artifacts.generative.GenerativePictures",
    )
    loss_curves: ClassVar[tuple[str, ...]] = ("train/cross_entropy", "val/latest_loss")

    def __init__(
        self,
        *,
        features: Callable[..., Any],
        likelihood: Likelihood | None,
        num_features: int,
        num_instances: int,
        num_classes: int,
        task: str = "multi_label",
        hidden: tuple[int, ...],
        latent_dim: int,
        dropout: float,
        beta: float,
        prior: Literal["uniform", "labelled"],
        select: str,
        weighting: Literal["sums", "batch_means"] = "sums",
        classifier_hidden: Sequence[int] | None = None,
        classifier_slope: float = 0.0,
        **parts: Any,
    ) -> None:
        _check_settings(task, prior, beta, weighting, classifier_slope)
        if classifier_hidden is not None:
            check_widths(classifier_hidden, "method.classifier_hidden", fewest=1)
        check_latent_dim(latent_dim)
        one_class = task_named(task).one_class_per_clip
        num_models, num_values = (1, num_classes) if one_class else (num_classes, 2)
        super().__init__(
            encoder=partial(
                LabelwiseEncoder,
                num_models=num_models,
                features=features,
                hidden=hidden if classifier_hidden is None else tuple(classifier_hidden),
                dropout=dropout,
                slope=classifier_slope,
            ),
            pooling=partial(LabelwiseHead, num_models=num_models),
            num_features=num_features,
            num_instances=num_instances,
            num_classes=num_classes,
            task=task,
            **parts,
        )
        self.features: Any = self.classifier.encoder.features
        self.generator = None
        if likelihood is not None:
            sizes = (num_models, num_values, self.features.dim)
            self.generator = M2(*sizes, hidden, latent_dim, likelihood)
        self.beta = beta
        self.weighting = weighting
        self.prior_of_answers = prior
        self.select = select
        check_criterion(select, self.task)
        self.selected = SelectedWeights(self._models, num_models)
        self.network.encoder.features = self.features  # all models read the same features
        self._latest_outputs = EpochOutputs()

    @property
    def _models(self) -> dict[str, nn.Module]:
        """The modules that are trained for each label, with their latest weights."""
        if self.generator is None:
            return {"classifier": self.classifier}
        return {"classifier": self.classifier, "generator": self.generator}

    @property
    def best_generator(self) -> M2 | None:
        """The generative parts with their selected weights; None if there are none."""
        if self.generator is None:
            return None
        generator = self.selected.copies["generator"]
        assert isinstance(generator, M2)
        return generator

    def start_from(
        self,
        state: Mapping[str, Tensor],
        network: str = "classifier",
        columns: Columns | None = None,
    ) -> Transfer:
        """Load the networks of the same classes; see `Method`.

        Raises:
            InputError: If the classes differ.
        """
        if columns is not None:
            raise InputError(
                "this method trains a network for each class, so nothing of the checkpoint is for "
                "other classes; choose a method that trains one encoder, such as method=att."
            )
        return super().start_from(state, network)

    def train(self, mode: bool = True) -> "M2Method":
        """Switch between training and evaluation; the selected copies stay in evaluation."""
        super().train(mode)
        self.selected.eval()
        return self

    def setup(self, stage: str) -> None:
        """Count the values of y among the labelled clips; see `Method`."""
        super().setup(stage)
        if stage != "fit":
            return
        if self.prior_of_answers == "labelled":
            targets, mask = self.data.labels("train")
            log_shares = answer_shares(targets, mask, self.task).log()
            for generator in filter(None, (self.generator, self.best_generator)):
                generator.log_prior.copy_(log_shares)

    def on_fit_start(self) -> None:
        """Read all training clips, once."""
        datamodule = self.data
        self.prepare(datamodule.batches_of(datamodule.training_rows()))
        num_labelled, num_unlabelled = datamodule.label_plan().counts  # (M,) each
        ratio = num_labelled / num_unlabelled
        if datamodule.b_s == 1:
            ratio = torch.ones_like(ratio)
        self._weights = tuple(weight.to(self.device) for weight in self._weights_for(ratio))

    def _weights_for(self, ratio: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights of L and of the cross-entropy, (M,) each, of |D_l| / |D_u|, (M,).

        A model without labelled clips has no cross-entropy; its weight is then only finite.
        """
        if self.weighting == "sums":
            return ratio, torch.full_like(ratio, self.beta)
        return torch.ones_like(ratio), self.beta / ratio.where(ratio > 0, 1)

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Read the training clips, from which features that are not frozen learn their scale.

        Args:
            batches: All training clips, with the labels that this run may see; iterated over more
                than once.
        """
        if not self.freezing.includes(self.features):
            self.features.to("cpu").fit(batches)
            self.features.to(self.device)
        self._clips = TrainingClips(batches, self.features, self.task, self.device)
        if self.generator is not None:
            self.generator.likelihood.check(self._clips.x)

    def draw(self, rows: Tensor) -> Answered:
        """Return clips of the corpus, (M, B) int64, as the input of a step."""
        return self._clips.of(rows)

    def objective(self, batch: LabelRows) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sum of the losses of all models, and the scalars to log."""
        terms = self.terms(self.draw(batch.labelled), self.draw(batch.unlabelled))
        losses = terms.cross_entropy  # (M,)
        if self.generator is not None:
            of_bound, of_answers = self._weights
            losses = of_bound * terms.labelled + terms.unlabelled + of_answers * losses
        means = {name: term.mean() for name, term in terms._asdict().items()}
        # Not the mean: each model has the same gradient as if it was trained alone.
        return losses.sum(), {"loss": losses.mean(), **means}

    def terms(self, labelled: Answered, unlabelled: Answered) -> Terms:
        """Return the losses of clips for each model.

        A bound is 0 if there is no generative part, or no unlabelled clip.
        """
        num_labelled = labelled.x.shape[1]
        without_generator = self.generator is None  # then unlabelled clips have no loss
        x = labelled.x if without_generator else torch.cat([labelled.x, unlabelled.x], dim=1)
        log_q = log_answers(self._logits(x))  # (M, B, K)
        right = log_q[:, :num_labelled].gather(2, labelled.y[..., None]).squeeze(2)  # (M, B_l)
        cross_entropy = _mean(-right, labelled.known)
        zeros = torch.zeros_like(cross_entropy)
        if self.generator is None:
            return Terms(zeros, zeros, cross_entropy)
        of_labelled = self.generator.bound(labelled.x, labelled.y)
        of_unlabelled = zeros
        if unlabelled.x.shape[1]:
            bounds = self.generator.bounds(unlabelled.x)
            of_unlabelled = unlabelled_bound(bounds, log_q[:, num_labelled:]).mean(dim=1)
        return Terms(_mean(of_labelled, labelled.known), of_unlabelled, cross_entropy)

    def _logits(self, x: Tensor) -> Tensor:
        """Return the logits of the classifiers, (M, B, D) -> (M, B, K), or (M, B, 1) if K is 2."""
        encoder, pooling = self.classifier.encoder, self.classifier.pooling
        logits: Tensor = pooling.classifier(encoder.hidden(x))
        return logits

    def compiled_calls(self) -> list[tuple[nn.Module, str]]:
        """Return what its training step calls that can be compiled; see `Method`."""
        calls: list[tuple[nn.Module, str]] = [(self.classifier.encoder, "hidden")]
        if self.generator is not None:
            calls += [(self.generator, "bound"), (self.generator, "bounds")]
        return calls

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the logits of the selected and of the latest models until the epoch ends."""
        super().validation_step(batch, batch_idx)
        self._latest_outputs.update(self.classifier(batch), batch.y, batch.mask)

    def evaluate(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> None:
        """Select the models that have improved; log the metrics of all models.

        Nothing is selected outside of training, nor in Lightning's sanity check before it.
        """
        latest, _, _ = self._latest_outputs.compute()
        self._latest_outputs.reset()
        if self.trainer.state.fn == TrainerFn.FITTING and not self.trainer.sanity_checking:
            values = values_of_models(self.select, latest, targets, mask, self.task)
            taken = self.selected.take(self._models, values, self.current_epoch)  # (M,)
            outputs = latest.where(taken, outputs)
        self.log_metrics("val/", outputs, targets, mask)
        self.log_metrics("val/latest_", latest, targets, mask)

    def shown(self) -> FeatureModel | None:
        """Return the selected generative parts, for figures; None if there are none."""
        generator = self.best_generator
        if generator is None:
            return None
        return shown_m2(generator, self.features, self.task, self.selected)


def _mean(values: Tensor, known: Tensor) -> Tensor:
    """Average over the clips whose label was observed, (M, B) -> (M,); 0 if there is none."""
    return values.where(known, 0).sum(dim=1) / known.sum(dim=1).clamp_min(1)


def _check_settings(
    task: str, prior: str, beta: float, weighting: str, classifier_slope: float
) -> None:
    """Check settings of `M2Method`.

    Raises:
        InputError: If one is invalid.
    """
    if not task_named(task).has_classes:
        raise InputError(
            "this method classifies, but this corpus is a regression; choose another method, "
            "such as method=att."
        )
    if prior not in ("uniform", "labelled"):
        raise InputError(f"method.prior must be uniform or labelled, got {prior}.")
    if not isinstance(beta, int | float) or not beta >= 0:
        raise InputError(f"method.beta must be 0 or more, got {beta}.")
    if weighting not in ("sums", "batch_means"):
        raise InputError(f"method.weighting must be sums or batch_means, got {weighting}.")
    if not isinstance(classifier_slope, int | float) or not 0 <= classifier_slope < 1:
        raise InputError(
            f"method.classifier_slope must be from 0 to below 1, got {classifier_slope}."
        )
