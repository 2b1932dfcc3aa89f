"""What the methods share that learn embeddings by comparing crops and clips."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from musicssl.augment.views import Views
from musicssl.batch import Batch
from musicssl.data.needs import Needs
from musicssl.evaluation.monitors import alignment, uniformity
from musicssl.methods.base.probed import ProbedMethod


class Objective(NamedTuple):
    """What a method makes of a batch.

    Attributes:
        loss: A scalar.
        notes: Further scalars to log as `train/NAME`.
    """

    loss: Tensor
    notes: Mapping[str, Tensor] = MappingProxyType({})


class RepresentationMethod(ProbedMethod):
    """Learn an encoder by comparing crops and clips.

    Every clip of a batch is there in V crops (`data.num_crops`), one after the other; every other
    row is seen through `views.student`, the rest through `views.target`. The mean embedding of a
    row goes through the projector, and the method compares what comes out.

    Logged with each epoch: `train/alignment` (small is good) and `train/uniformity` (very negative
    is good) of the projections.

    Args:
        views: Makes the views that are compared.
        projector: Builds the projector from the size of an embedding.
        parts: See `ProbedMethod`.
    """

    needs: ClassVar[Needs] = Needs(labels=False, crops=2)

    def __init__(
        self, *, views: Views, projector: Callable[[int], nn.Module], **parts: Any
    ) -> None:
        super().__init__(**parts)
        self.views = views
        self.projector = projector(self.classifier.encoder.embed_dim)

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
