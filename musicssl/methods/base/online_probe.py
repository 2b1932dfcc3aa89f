"""The linear probe that predicts for methods that learn only embeddings."""

from collections.abc import Iterable

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.evaluation.epoch_outputs import EpochOutputs
from musicssl.methods.base.method import Method
from musicssl.networks.pooling import MeanPooling
from musicssl.probing.base import Embeddings
from musicssl.probing.linear import fit_linear


class OnlineProbe:
    """Fit the linear layer of a method's pooling to embeddings of labelled training clips.

    The probe is not trained by gradient descent and does not affect the encoder. Before each
    validation it is fitted to the mean embeddings of labelled training clips, whole and without
    augmentation, by `musicssl.probing.linear`. After training, `conclude` fits it again, to all
    labelled training clips. So every result of the method is that of a linear probe on a frozen
    encoder.

    Args:
        method: The method that learns the embeddings. The linear layer of its pooling is the probe.
        clips: Maximal number of clips that the probe is fitted to during training; None for all.

    Raises:
        InputError: If the pooling is not the mean, or `clips` is less than 1.
    """

    def __init__(self, method: Method, clips: int | None = 1000) -> None:
        if not isinstance(method.classifier.pooling, MeanPooling):
            raise InputError(
                "this method is evaluated by a linear probe of the mean embedding of a clip; set "
                "pooling=mean."
            )
        if clips is not None and clips < 1:
            raise InputError(f"method.probe_clips must be 1 or more, or null for all, got {clips}.")
        self.clips = clips
        self._method = method
        method.classifier.pooling.requires_grad_(False)
        self._labelled: tuple[SemiSupervisedDataModule, Embeddings] | None = None

    def check_data(self) -> None:
        """Check that there are labels for the probe.

        Raises:
            InputError: If no training clip keeps a label.
        """
        data = self._method.data
        if len(data.labelled()) == 0:
            raise InputError(
                f"data.p_s={data.p_s:g} leaves no labelled clip for the linear probe that "
                "evaluates the embeddings; raise data.p_s."
            )

    def logits(self, val: Embeddings) -> Tensor:
        """Fit the probe, and return its logits of the validation clips, (N, C)."""
        trainer, data = self._method.trainer, self._method.data
        rows = data.labelled(self.clips)[trainer.global_rank :: trainer.world_size]
        train = EpochOutputs().to(self._method.device)  # gathers from all ranks
        with trainer.precision_plugin.val_step_context():
            train.update(*self.embedded(data.batches_of(rows)))
        self.fit(Embeddings(*train.compute()), val)
        logits: Tensor = self._method.classifier.pooling.classifier(val.h)
        return logits

    def conclude(self, datamodule: SemiSupervisedDataModule) -> None:
        """Fit the probe to all labelled training clips."""
        val = self.embedded(datamodule.batches("val"))
        self._labelled = None  # they were computed with the weights of another epoch
        self.fit(self.labelled(datamodule), val)

    def labelled(self, datamodule: SemiSupervisedDataModule) -> Embeddings:
        """Return the embeddings of all labelled training clips.

        Those of the last data module are cached; `conclude` computes them again.
        """
        if self._labelled is None or self._labelled[0] is not datamodule:
            embeddings = self.embedded(datamodule.batches_of(datamodule.labelled()))
            self._labelled = datamodule, embeddings
        return self._labelled[1]

    def embedded(self, batches: Iterable[Batch]) -> Embeddings:
        """Return the mean embeddings of clips, in evaluation mode and without gradient."""
        classifier, device = self._method.classifier, self._method.device
        no_y = torch.empty(0, self._method.prior.numel(), dtype=torch.float32, device=device)
        no_h = no_y.new_empty(0, classifier.encoder.embed_dim)
        parts = [Embeddings(no_h, no_y, no_y.bool())]  # a rank may have no clip
        with torch.no_grad():
            for batch in batches:
                on_device = batch.to(device)
                h = classifier.clip_embeddings(on_device).float()
                parts.append(Embeddings(h, on_device.y, on_device.mask))
        return Embeddings(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))

    def fit(self, train: Embeddings, val: Embeddings) -> None:
        """Fit the probe; validation clips choose its regularisation."""
        probe = fit_linear(train, val, self._method.task)
        linear = self._method.classifier.pooling.classifier
        with torch.no_grad():
            linear.weight.copy_(probe.weight)
            linear.bias.copy_(probe.bias)


class ProbedMethod(Method):
    """A method that learns only embeddings; a linear probe of them predicts.

    Attributes:
        probe: An `OnlineProbe` of the method, which its constructor makes.
    """

    probe: OnlineProbe

    def validation_outputs(self, batch: Batch) -> Tensor:
        """Return the embeddings of the clips, (B, D)."""
        return self.classifier.clip_embeddings(batch)

    def evaluate(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> None:
        """Log the metrics of the probe."""
        logits = self.predicted(Embeddings(outputs, targets, mask))
        self.log_metrics("val/", logits, targets, mask)

    def predicted(self, val: Embeddings) -> Tensor:
        """Return the logits of the validation clips, (N, C)."""
        return self.probe.logits(val)

    def conclude(self, datamodule: SemiSupervisedDataModule) -> bool:
        """Fit the probe to all labelled training clips."""
        self.probe.conclude(datamodule)
        return True
