"""What the methods share that learn embeddings, and leave deciding to a linear probe."""

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.evaluation.epoch_outputs import EpochOutputs
from musicssl.evaluation.monitors import effective_rank
from musicssl.methods.base.method import ClassificationMethod, ServesClips
from musicssl.networks.pooling import MeanPooling
from musicssl.probing.base import Embeddings
from musicssl.probing.linear import fit_linear


class ProbedMethod(ClassificationMethod):
    """Learn an encoder without its classifier; judge it by a linear probe.

    No gradient reaches the encoder from the probe, and none reaches the probe: before each
    validation the linear layer of the pooling is fitted to the mean embeddings of labelled training
    clips, whole and unvaried, by `musicssl.probing.linear`. Its decisions are what validates, is
    selected, tested and predicted, so that all results are those of a linear probe on a frozen
    encoder. After training `conclude` fits it once more, to all labelled training clips.

    Logged with each epoch: `val/effective_rank` of the embeddings, which falls to 1 where they have
    collapsed.

    Args:
        probe_clips: Most clips that the probe is fitted to while training goes on; None for all.
        parts: See `ClassificationMethod`.

    Raises:
        InputError: If the pooling is none that a linear probe could stand for.
    """

    needs: ClassVar[Needs] = Needs(labels=False)

    def __init__(self, *, probe_clips: int | None = 1000, **parts: Any) -> None:
        super().__init__(**parts)
        if not isinstance(self.classifier.pooling, MeanPooling):
            raise InputError(
                "this method is judged by a linear probe of a clip's mean embedding, which is "
                "pooling=mean; choose that."
            )
        if probe_clips is not None and probe_clips < 1:
            raise InputError(
                f"method.probe_clips must be 1 or more, or null for all, got {probe_clips}."
            )
        self.probe_clips = probe_clips
        self.classifier.pooling.requires_grad_(False)
        self._labelled: tuple[ServesClips, Embeddings] | None = None

    def setup(self, stage: str) -> None:
        """Check that there is something to judge by.

        Raises:
            InputError: If no training clip keeps a label.
        """
        super().setup(stage)
        if stage != "fit":
            return
        datamodule = self.data
        if len(datamodule.labelled()) == 0:
            raise InputError(
                f"data.p_s={datamodule.p_s:g} leaves no labelled clip for the linear probe that "
                "judges the embeddings; raise data.p_s."
            )

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the embeddings of a batch until the epoch ends."""
        h = self.classifier.clip_embeddings(batch)
        self._val_outputs.update(h, batch.y, batch.mask)

    def on_validation_epoch_end(self) -> None:
        """Judge the embeddings of the validation clips."""
        val = Embeddings(*self._val_outputs.compute())
        self._val_outputs.reset()
        self.judge(val)
        self.log("val/effective_rank", effective_rank(val.h), sync_dist=True)

    def judge(self, val: Embeddings) -> None:
        """Log how well the embeddings of the validation clips are decided about."""
        self._log_metrics("val/", self.decided(val), val.y, val.mask)

    def decided(self, val: Embeddings) -> Tensor:
        """Fit the probe, and return its logits of the validation clips, (N, C)."""
        datamodule = self.data
        rank, world_size = self.trainer.global_rank, self.trainer.world_size
        rows = datamodule.labelled(self.probe_clips)[rank::world_size]
        probed = EpochOutputs().to(self.device)  # gathers from all ranks
        with self.trainer.precision_plugin.val_step_context():
            probed.update(*self.embedded(datamodule.batches_of(rows)))
        self._fit_probe(Embeddings(*probed.compute()), val)
        logits: Tensor = self.classifier.pooling.classifier(val.h)
        return logits

    def conclude(self, datamodule: ServesClips) -> bool:
        """Fit the probe to all labelled training clips."""
        val = self.embedded(datamodule.batches("val"))
        self._labelled = None  # of weights that there were before
        self._fit_probe(self.labelled(datamodule), val)
        return True

    def labelled(self, datamodule: ServesClips) -> Embeddings:
        """Return the embeddings of all labelled training clips.

        Those of the last corpus are kept, and made anew when training is over.
        """
        if self._labelled is None or self._labelled[0] is not datamodule:
            embeddings = self.embedded(datamodule.batches_of(datamodule.labelled()))
            self._labelled = datamodule, embeddings
        return self._labelled[1]

    def embedded(self, batches: Iterable[Batch]) -> Embeddings:
        """Return the mean embeddings of clips, in evaluation mode and without gradient."""
        no_y = torch.empty(0, self.prior.numel(), dtype=torch.float32, device=self.device)
        no_h = no_y.new_empty(0, self.classifier.encoder.embed_dim)
        parts = [Embeddings(no_h, no_y, no_y.bool())]  # a rank may have no clip at all
        with torch.no_grad():
            for batch in batches:
                here = batch.to(self.device)
                h = self.classifier.clip_embeddings(here).float()
                parts.append(Embeddings(h, here.y, here.mask))
        return Embeddings(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))

    def _fit_probe(self, train: Embeddings, val: Embeddings) -> None:
        probe = fit_linear(train, val, self.task)
        linear = self.classifier.pooling.classifier
        with torch.no_grad():
            linear.weight.copy_(probe.weight)
            linear.bias.copy_(probe.bias)
