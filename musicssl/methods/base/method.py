"""The base class of all methods that train a network: optimizer, recording, validation."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from musicssl.augment.views import Views
from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.label_grid import check_crops
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.evaluation.epoch_outputs import EpochOutputs
from musicssl.evaluation.tasks import Loss, task_named
from musicssl.losses.balanced_bce import label_prior
from musicssl.methods.base.clip_regression import fit_regressions
from musicssl.methods.base.fine_tuning import FineTuning
from musicssl.methods.base.freezing import Freezing
from musicssl.methods.base.optimisation import step_by_step, total_steps, with_layer_decay
from musicssl.networks.classifier import READS_INSTANCES, Classifier
from musicssl.networks.depth import by_distance
from musicssl.networks.distributed import gathered
from musicssl.networks.low_rank import (
    add_low_rank,
    factors,
    has_low_rank,
    merge_low_rank,
    merged_state,
    unmerged_state,
)
from musicssl.networks.pooling import Instances
from musicssl.networks.standardise import Standardise
from musicssl.networks.transfer import (
    Columns,
    Transfer,
    part_of,
    transferred,
    transferred_pooling,
)
from musicssl.schedules import Schedule, bound_to

_PRIORS = (0.01, 0.99)  # the least and the greatest class frequency to start at
NETWORK_ARTIFACTS = (
    "musicssl.runs.artifacts.training_curves.TrainingCurves",
    "musicssl.runs.artifacts.localisation.Localisation",
)


class Method(pl.LightningModule):
    """A classifier with an optimizer, validated on the whole validation set.

    A subclass adds its `training_step`, and declares its requirements, the network that predicts
    and its artifacts by class attributes. Loss and metrics of an epoch are computed once from all
    clips: an average over batches would be a different number.

    Class attributes:
        needs: Requirements of its training batches.
        predicts_with: Dotted name of the submodule, a `Classifier`, that it predicts with.
        copies: Dotted names of the submodules that are copies of the classifier. They start with
            the same weights, and a part that is frozen is frozen in them too.
        artifacts: Dotted names of the classes that write its artifacts, such as figures; see
            `musicssl.runs.artifacts.artifact`.
        loss_curves: Names of the losses that are drawn on one scale over the epochs.

    Args:
        encoder: Builds the encoder; see `Classifier`.
        pooling: Builds the pooling; see `Classifier`.
        optimizer: Builds the optimizer from parameters.
        schedule: Maps the epochs trained so far, a fraction included, to a factor of the learning
            rate; see `musicssl.schedules`. A parameter `end` without a value gets the number of
            epochs of the run.
        num_features: Features of an instance, F.
        num_instances: Instances of the longest clip, T.
        num_classes: Number of classes, C.
        loss: Maps logits, targets and mask, each (B, C), to a scalar; None for that of the task. If
            it has a parameter `prior`, it gets the class prior of the training labels, (C,).
        task: Kind of the targets; see `musicssl.data.corpus.Corpus`.

    Raises:
        InputError: If the loss is for another kind of targets.
    """

    needs: ClassVar[Needs] = Needs()
    predicts_with: ClassVar[str] = "classifier"
    copies: ClassVar[tuple[str, ...]] = ()
    artifacts: ClassVar[tuple[str, ...]] = NETWORK_ARTIFACTS
    loss_curves: ClassVar[tuple[str, ...]] = ("train/loss", "val/loss")
    prior: Tensor

    def __init__(
        self,
        encoder: Callable[..., Any],
        pooling: Callable[..., Any],
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        schedule: Callable[..., float],
        num_features: int,
        num_instances: int,
        num_classes: int,
        loss: Loss | None = None,
        task: str = "multi_label",
    ) -> None:
        super().__init__()
        self.task = task_named(task)
        self.classifier = Classifier(encoder, pooling, num_features, num_instances, num_classes)
        self._loss = self.task.loss(loss)
        self._takes_prior = "prior" in inspect.signature(self._loss).parameters
        self.optimizer = optimizer
        self.schedule = schedule
        self.register_buffer("prior", torch.zeros(num_classes))
        self._val_outputs, self._test_outputs = EpochOutputs(), EpochOutputs()
        self.freezing = Freezing()
        self._layer_decay: float | None = None
        self._start: tuple[Mapping[str, Tensor], Columns | None] | None = None
        self._recorded: dict[str, tuple[Tensor, int]] = {}

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits of the clips, (B, C); those of the network alone while training."""
        logits: Tensor = self.network(batch) if self.training else self.network.predict(batch)
        return logits

    def scores(self, batch: Batch) -> Tensor:
        """Return probabilities of classes, or the values of a regression, (B, C).

        Args:
            batch: A batch on any device.
        """
        return self.ranked_scores(batch)[0]

    def ranked_scores(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return scores, and the log-odds by which clips are ranked, (B, C) each; see `Task`.

        Args:
            batch: A batch on any device.
        """
        logits: Tensor = self(batch.to(self.device))
        return self.task.scores(logits), self.task.log_odds(logits)

    def instances(self, batch: Batch) -> Instances:
        """Return logits and weights of each instance, for a batch on any device."""
        return self.network.instances(batch.to(self.device))

    def loss(self, logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the loss on the observed targets, each (B, C), a scalar."""
        prior = {"prior": self.prior} if self._takes_prior else {}
        return self._loss(logits, targets, mask, **prior)

    def batch_loss(self, logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the loss on the observed targets of a training batch, each (B, C), a scalar.

        In a distributed run the batch is that of all ranks. A mean over observed targets is not the
        mean of the ranks' means, where the ranks have different numbers of them.
        """
        return self.loss(*gathered(logits, targets, mask))

    def check_input(self, is_sound: bool) -> None:
        """Check that the network and the views, if there are any, are for clips of this kind.

        Args:
            is_sound: Whether clips are sound; they are instances if not.

        Raises:
            InputError: If they are not.
        """
        self.network.check_input(is_sound)
        views = getattr(self, "views", None)
        if isinstance(views, Views):
            views.check_input(is_sound)

    def record(self, **terms: Tensor) -> None:
        """Add scalars of a step to the means that are logged as `train/NAME` for the epoch.

        It may be called several times per step, with different names. `self.log` does the same, but
        takes about a millisecond per step, a tenth of a step of ATT.
        """
        for name, value in terms.items():
            total, count = self._recorded.get(name, (torch.zeros_like(value), 0))
            self._recorded[name] = (total + value.detach(), count + 1)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Log the means of the recorded scalars, after the last step of the epoch.

        This is the last step of a whole epoch, or the step at which a limit of steps or of time
        ends training. `on_train_epoch_end` would be too late: Lightning calls callbacks first, and
        they read the logged values of the epoch.
        """
        if self.trainer.is_last_batch or self.trainer.fit_loop.epoch_loop.done:
            means = {f"train/{name}": total / n for name, (total, n) in self._recorded.items()}
            self.log_dict(means, on_step=False, on_epoch=True, batch_size=1, sync_dist=True)
            self._recorded.clear()

    def start_from(
        self,
        state: Mapping[str, Tensor],
        network: str = "classifier",
        columns: Columns | None = None,
    ) -> Transfer:
        """Load the weights of the network that another method predicts with.

        Args:
            state: The `state_dict` of the other method.
            network: Its `predicts_with`.
            columns: For each class its column in the other network, or None where that does not
                know it; None if the classes are the same. See `transferred`.

        Returns:
            What was taken.

        Raises:
            RuntimeError: If the encoders differ.
        """
        taken = transferred(self.classifier, part_of(state, network), columns)
        for copy in self._networks():
            copy.load_state_dict(taken.state)
        self._start = (part_of(state, network), columns)
        return taken

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the name of the network that predicts, and its weights with the factors of LoRA.

        The factors are merged into the weights, so that a checkpoint is read like any other. A
        resumed run takes the weights as they were, and the factors, from beside them.
        """
        checkpoint["network"] = self.predicts_with
        if has_low_rank(self):
            state = checkpoint["state_dict"]
            checkpoint["lora"] = factors(state)
            checkpoint["state_dict"] = merged_state(self, state)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the factors of LoRA apart from the weights again."""
        if has_low_rank(self):
            checkpoint["state_dict"] = unmerged_state(checkpoint["state_dict"], checkpoint["lora"])

    def fine_tune(self, settings: FineTuning) -> list[str]:
        """Set how the network is fine-tuned, after its initial weights were loaded.

        Returns:
            Sentences that describe it.

        Raises:
            InputError: See `freeze_parts` and `add_low_rank`.
        """
        said = []
        if settings.lora is not None:
            alpha = settings.lora if settings.lora_alpha is None else settings.lora_alpha
            said.append(self._add_low_rank(settings.lora, alpha))
        if settings.frozen:
            self.freeze_parts(settings.names, settings.unfreeze_epoch)
            end = settings.unfreeze_epoch
            when = {None: "", 1: " in epoch 0"}.get(end, f" in epochs 0 to {(end or 0) - 1}")
            said.append(f"Frozen{when}: {', '.join(settings.names)}.")
        self._layer_decay = settings.layer_decay
        if settings.layer_decay is not None:
            rates = [f"{settings.layer_decay**distance:.3g}" for distance in self._by_distance()]
            said.append(f"Learning rates from the top to the input are times {', '.join(rates)}.")
        return said

    def _add_low_rank(self, rank: int, alpha: float) -> str:
        for network in self._networks():
            encoder = network.get_submodule("encoder")
            layers = add_low_rank(encoder, rank, alpha)
            self.freezing.keep_statistics(encoder)
            if network is not self.classifier:
                network.requires_grad_(False).load_state_dict(self.classifier.state_dict())
        self.train(self.training)
        count = sum(p.numel() for p in self.classifier.encoder.parameters() if p.requires_grad)
        return f"LoRA of rank {rank} trains {count:,} numbers in {layers} layers of the encoder."

    def merge_low_rank(self) -> None:
        """Add the product of LoRA's factors to the weights, and remove the factors."""
        merge_low_rank(self)

    def freeze_parts(self, names: Sequence[str], unfreeze_epoch: int | None = None) -> None:
        """Freeze the weights and statistics of parts of the classifier.

        Args:
            names: Submodules of the classifier, such as "encoder" or "pooling.attention".
            unfreeze_epoch: Number of epochs after which they are trained; None for never.

        Raises:
            InputError: If there is no such part, or nothing would be left to train.
        """
        names = [names] if isinstance(names, str) else names
        self.freezing.freeze(self._networks(), names, self.parameters(), unfreeze_epoch)
        self.train(self.training)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Train parts that were frozen until this epoch.

        Not at the start of an epoch: a run that is resumed within one has no such start.
        """
        if self.freezing.end_in(self.current_epoch):
            self.train()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep frozen parameters unchanged; on several devices they have gradients too."""
        if self.freezing.holds_in(self.current_epoch):
            self.freezing.drop_gradients()

    @property
    def pretraining(self) -> bool:
        """Whether this epoch is part of a pretraining phase, and cannot be kept as the best."""
        return False

    @property
    def network(self) -> Classifier:
        """The network that the method predicts with."""
        network = self.get_submodule(self.predicts_with)
        assert isinstance(network, Classifier)
        return network

    @property
    def predicts_by_network(self) -> bool:
        """Whether the logits of a clip are those of `network`, and nothing is added to it."""
        return True

    def _networks(self) -> list[nn.Module]:
        """Return the classifier and its copies."""
        return [self.classifier, *map(self.get_submodule, self.copies)]

    def compiled_calls(self) -> list[tuple[nn.Module, str]]:
        """Return what its training step calls that can be compiled, without a graph break.

        Returns:
            Modules and the names of their submodules or functions.
        """
        networks = [part for part in self._networks() if isinstance(part, Classifier)]
        return [(network, part) for network in networks for part in ("encoder", "pooling")]

    @property
    def data(self) -> SemiSupervisedDataModule:
        """The data module of the trainer.

        Raises:
            InputError: If the trainer has none.
        """
        data: SemiSupervisedDataModule | None = getattr(self.trainer, "datamodule", None)
        if data is None:
            raise InputError(
                "give the trainer a data module to train with: trainer.fit(method, data)."
            )
        return data

    def train(self, mode: bool = True) -> "Method":
        """Switch between training and evaluation; frozen parts stay in evaluation."""
        super().train(mode)
        self.freezing.evaluate()
        return self

    def setup(self, stage: str) -> None:
        """Pass the method's needs to the data module, and compute the class prior.

        The prior is that of the training labels that this run may see; in a regression it has no
        meaning and is not used. Poolings with `start="prior"` begin at it. Layers that standardise
        instances get the statistics of the training clips. Parts that were loaded from a checkpoint
        are not changed in these ways.

        Raises:
            InputError: If the data do not meet the needs of the method, or crops are too short for
                the encoder.
        """
        if stage != "fit":
            return
        if self.trainer.world_size > 1:  # DDP averages the gradients that there are now
            self.freezing.require_gradients()
        self.data.serve(self.needs)
        chunk = getattr(self.classifier.encoder, "chunk_samples", None)
        check_crops(chunk, self.data.crop_seconds, self.data.corpus)
        targets, mask = self.data.labels("train")
        self.prior = label_prior(targets, mask).to(self.prior)
        self._start_at_prior()
        self._standardise()
        self._fit_regressions()

    def _start_at_prior(self) -> None:
        """Start poolings with `start="prior"` at the class frequencies of the training labels.

        Weights from a checkpoint, such as those of classes that it knows, are kept.
        """
        if not self.task.has_classes:
            return
        prior = self.prior.nan_to_num(0.5).clamp(*_PRIORS)
        for network in self._networks():
            if isinstance(network, Classifier) and getattr(network.pooling, "start", "") == "prior":
                network.pooling.start_at(prior.logit())
                if self._start is not None:
                    taken = transferred_pooling(network, *self._start)
                    network.load_state_dict(taken.state, strict=False)

    def _standardise(self) -> None:
        """Give each layer that standardises instances the statistics of the training clips."""
        layers = [part for part in self.modules() if isinstance(part, Standardise)]
        if layers and self.data.corpus.is_sound:
            raise InputError(READS_INSTANCES)
        if not all(bool(layer.is_fitted) for layer in layers):
            mean, deviation = self.data.feature_statistics()
            for layer in layers:
                layer.fit(mean, deviation)

    def _fit_regressions(self) -> None:
        """Fit the regressions that share in the predictions of the networks."""
        networks = [network for network in self._networks() if isinstance(network, Classifier)]
        parts = [network.regression for network in networks if network.regression is not None]
        if parts and self.task.has_classes:
            fit_regressions(parts, self.data, self.task)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the optimizer of all parameters that are not frozen for good, and its schedule.

        Raises:
            InputError: If frozen parts would be trained only after the end of training.
        """
        steps = math.ceil(self.data.steps_per_epoch / self.trainer.accumulate_grad_batches)
        epochs = total_steps(self.trainer, steps) / steps
        self.freezing.check_end(epochs)
        optimizer = self._optimizer()
        rate = step_by_step(optimizer, self._schedule_over(epochs), steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rate, "interval": "step"}}

    def _schedule_over(self, epochs: float) -> Schedule:
        """Return the factor of the learning rate over a run of `epochs` epochs."""
        return bound_to(epochs, self.schedule)

    def _optimizer(self) -> torch.optim.Optimizer:
        """Build the optimizer, with a group of parameters for each learning rate."""
        if self._layer_decay is None:
            return self.optimizer(self._trained_parameters())
        return with_layer_decay(self.optimizer, self._by_distance(), self._layer_decay)

    def _by_distance(self) -> dict[int, list[nn.Parameter]]:
        """Group the parameters to be trained by their distance from the top."""
        return by_distance(self._trained_parameters(), self.classifier.encoder)

    def _trained_parameters(self) -> list[nn.Parameter]:
        is_held = self.freezing.is_held
        return [p for p in self.parameters() if p.requires_grad or is_held(p)]

    def learn(
        self, datamodule: SemiSupervisedDataModule, train_network: Callable[["Method"], None]
    ) -> None:
        """Train the network on the batches of the data module."""
        train_network(self)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the outputs of a batch until the epoch ends."""
        self._val_outputs.update(self.validation_outputs(batch), batch.y, batch.mask)

    def validation_outputs(self, batch: Batch) -> Tensor:
        """Return the outputs that validation keeps, (B, ...): logits, unless overridden."""
        logits: Tensor = self(batch)
        return logits

    def on_validation_epoch_end(self) -> None:
        """Evaluate the outputs of all validation clips."""
        outputs, targets, mask = self._val_outputs.compute()
        self._val_outputs.reset()
        self.evaluate(outputs, targets, mask)

    def evaluate(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> None:
        """Log loss and overall metrics of the validation set.

        Args:
            outputs: See `validation_outputs`, (N, ...).
            targets: (N, C).
            mask: (N, C).
        """
        self.log_metrics("val/", outputs, targets, mask)

    def conclude(self, datamodule: SemiSupervisedDataModule) -> bool:
        """Finish training with the weights of the best epoch; return whether this changed them."""
        return False

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the outputs of a batch until the epoch ends."""
        self._test_outputs.update(self(batch), batch.y, batch.mask)

    def on_test_epoch_end(self) -> None:
        """Log loss and overall metrics of the test set."""
        self.log_outputs("test/", self._test_outputs)

    def log_outputs(self, prefix: str, outputs: EpochOutputs) -> None:
        """Log loss and overall metrics of an epoch's logits, and reset `outputs`."""
        logits, targets, mask = outputs.compute()
        outputs.reset()
        self.log_metrics(prefix, logits, targets, mask)

    def log_metrics(self, prefix: str, logits: Tensor, targets: Tensor, mask: Tensor) -> None:
        """Log loss and overall metrics of a whole split, the same on all ranks."""
        scores, log_odds = self.task.scores(logits), self.task.log_odds(logits)
        metrics = self.task.metrics(scores, targets, mask, log_odds)
        loss = self.loss(logits, targets, mask)
        values = {f"{prefix}{name}": value for name, value in metrics.macro.items()}
        self.log_dict({f"{prefix}loss": loss, **values}, sync_dist=True)
