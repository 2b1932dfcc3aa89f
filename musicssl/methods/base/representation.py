"""The base class of the methods that learn embeddings by comparing crops and clips."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from musicssl.augment.views import Views
from musicssl.batch import Batch
from musicssl.data.needs import Needs
from musicssl.evaluation.monitors import alignment, effective_rank, uniformity
from musicssl.methods.base.method import NETWORK_ARTIFACTS
from musicssl.methods.base.online_probe import OnlineProbe, ProbedMethod


class Objective(NamedTuple):
    """The result of a method for a batch.

    Attributes:
        loss: A scalar.
        notes: Further scalars to log as `train/NAME`.
    """

    loss: Tensor
    notes: Mapping[str, Tensor] = MappingProxyType({})


class RepresentationMethod(ProbedMethod):
    """Learn an encoder by comparing crops and clips.

    A batch has V crops of every clip (`data.num_crops`), in consecutive rows. `views.student`
    augments the even rows, `views.target` the odd rows. The mean embedding of a row passes the
    projector, and the method compares the projections.

    Labels are predicted by a linear probe of the embeddings; see `OnlineProbe`.

    Logged with each epoch: `train/alignment` (small is good) and `train/uniformity` (very negative
    is good) of the projections; `val/effective_rank` of the embeddings, which falls to 1 if they
    collapse.

    Args:
        views: Makes the views that are compared.
        projector: Builds the projector from the size of an embedding.
        probe_clips: Maximal number of clips that the probe is fitted to during training; None for
            all.
        parts: See `Method`.
    """

    needs: ClassVar[Needs] = Needs(labels=False, crops=2)
    artifacts: ClassVar[tuple[str, ...]] = (
        *NETWORK_ARTIFACTS,
        "musicssl.runs.artifacts.embeddings.LearnedEmbeddings",
    )
    loss_curves: ClassVar[tuple[str, ...]] = ("train/loss",)  # val/loss is that of the probe

    def __init__(
        self,
        *,
        views: Views,
        projector: Callable[[int], nn.Module],
        probe_clips: int | None = 1000,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        self.probe = OnlineProbe(self, probe_clips)
        self.views = views
        self.projector = projector(self.classifier.encoder.embed_dim)

    @abstractmethod
    def objective(self, seen: Batch, z: Tensor) -> Objective:
        """Compare projections.

        Args:
            seen: The augmented batch, with V rows per clip.
            z: Projections of its rows, (N, P).
        """

    def compiled_calls(self) -> list[tuple[nn.Module, str]]:
        """Return what its training step calls that can be compiled; see `Method`."""
        return [*super().compiled_calls(), (self, "projector")]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        seen = self.viewed(batch)
        z = self.projector(self.classifier.clip_embeddings(seen))
        loss, notes = self.objective(seen, z)
        assert batch.rows is not None
        monitors = {"alignment": alignment(z, batch.rows), "uniformity": uniformity(z)}
        self.record(loss=loss, **monitors, **notes)
        return loss

    def viewed(self, batch: Batch) -> Batch:
        """Augment the rows of a batch: the even rows as student, the odd rows as target.

        If `views.changed` is less than 1, all crops of a clip are augmented together or not at all.
        """
        x = torch.empty_like(batch.x)
        for first, view in enumerate((self.views.student, self.views.target)):
            lengths = None if batch.lengths is None else batch.lengths[first::2]
            x[first::2] = view(batch.x[first::2], lengths)
        if self.views.changed < 1:
            assert batch.rows is not None
            starts = batch.rows.diff(prepend=batch.rows[:1]) != 0
            changed = torch.rand(len(x), device=x.device) < self.views.changed
            of_rows = changed[starts.cumsum(dim=0)]  # one draw for all rows of a clip
            x = x.where(of_rows.view(-1, *[1] * (x.ndim - 1)), batch.x)
        return batch._replace(x=x)

    def setup(self, stage: str) -> None:
        """Check that there are labels for the probe."""
        super().setup(stage)
        if stage == "fit":
            self.probe.check_data()

    def evaluate(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> None:
        """Log the metrics of the probe and the effective rank of the validation embeddings."""
        super().evaluate(outputs, targets, mask)
        self.log("val/effective_rank", effective_rank(outputs), sync_dist=True)
