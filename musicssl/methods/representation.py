"""What the methods share that learn embeddings, and leave deciding to a linear probe."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.methods.base import ClassificationMethod, EpochOutputs, ServesClips
from musicssl.monitors import alignment, effective_rank, uniformity
from musicssl.pooling import MeanPooling
from musicssl.probing.linear import fit_linear
from musicssl.probing.probe import Embeddings
from musicssl.views import Views


class Objective(NamedTuple):
    """What a method makes of a batch.

    Attributes:
        loss: A scalar.
        notes: Further scalars to log as `train/NAME`.
    """

    loss: Tensor
    notes: Mapping[str, Tensor] = MappingProxyType({})


class RepresentationMethod(ClassificationMethod):
    """Learn an encoder by comparing crops and clips; judge it by a linear probe.

    Every clip of a batch is there in V crops (`data.num_crops`), one after the other; every other
    row is seen through `views.student`, the rest through `views.target`. The mean embedding of a
    row goes through the projector, and the method compares what comes out.

    No gradient reaches the encoder from the probe, and none reaches the probe: before each
    validation the linear layer of the pooling is fitted to the mean embeddings of labelled training
    clips, whole and unvaried, by `musicssl.probing.linear`. Its decisions are what validates, is
    selected, tested and predicted, so that all results are those of a linear probe on a frozen
    encoder. After training `conclude` fits it once more, to all labelled training clips.

    Logged with each epoch: `train/alignment` (small is good) and `train/uniformity` (very negative
    is good) of the projections; `val/effective_rank` of the embeddings, which falls to 1 where they
    have collapsed.

    Args:
        views: Makes the views that are compared.
        projector: Builds the projector from the size of an embedding.
        probe_clips: Most clips that the probe is fitted to while training goes on; None for all.
        parts: See `ClassificationMethod`.

    Raises:
        InputError: If the pooling is none that a linear probe could stand for.
    """

    needs_labels = False

    def __init__(
        self,
        *,
        views: Views,
        projector: Callable[[int], nn.Module],
        probe_clips: int | None = 1000,
        **parts: Any,
    ) -> None:
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
        self.views = views
        self.projector = projector(self.classifier.encoder.embed_dim)
        self.probe_clips = probe_clips
        self.classifier.pooling.requires_grad_(False)
        self._labelled: tuple[ServesClips, Embeddings] | None = None

    @abstractmethod
    def objective(self, seen: Batch, z: Tensor) -> Objective:
        """Compare projections.

        Args:
            seen: The batch as the encoder saw it, V rows to a clip.
            z: Projections of its rows, (N, P).
        """

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        seen = self.viewed(batch)
        z = self.projector(self.classifier.clip_embeddings(seen))
        loss, notes = self.objective(seen, z)
        assert batch.rows is not None
        apart = {"alignment": alignment(z, batch.rows), "uniformity": uniformity(z)}
        self.record(loss=loss, **apart, **notes)
        return loss

    def viewed(self, batch: Batch) -> Batch:
        """Vary the rows of a batch: the even ones as student, the odd ones as target."""
        x = torch.empty_like(batch.x)
        for first, view in enumerate((self.views.student, self.views.target)):
            lengths = None if batch.lengths is None else batch.lengths[first::2]
            x[first::2] = view(batch.x[first::2], lengths)
        return batch._replace(x=x)

    def setup(self, stage: str) -> None:
        """Check that there is something to compare, and something to judge by.

        Raises:
            InputError: If clips come in one crop, or no training clip keeps a label.
        """
        super().setup(stage)
        if stage != "fit":
            return
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]
        if datamodule.num_crops < 2:
            raise InputError(
                "this method compares crops of a clip, but data.num_crops=1; set it to 2."
            )
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
        """Fit the probe and log how well it validates."""
        val = Embeddings(*self._val_outputs.compute())
        self._val_outputs.reset()
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]
        rank, world_size = self.trainer.global_rank, self.trainer.world_size
        rows = datamodule.labelled(self.probe_clips)[rank::world_size]
        probed = EpochOutputs().to(self.device)  # gathers from all ranks
        with self.trainer.precision_plugin.val_step_context():
            probed.update(*self.embedded(datamodule.batches_of(rows)))
        self._fit_probe(Embeddings(*probed.compute()), val)
        self._log_metrics("val/", self.classifier.pooling.classifier(val.h), val.y, val.mask)
        self.log("val/effective_rank", effective_rank(val.h), sync_dist=True)

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
