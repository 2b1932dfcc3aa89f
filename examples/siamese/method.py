"""Contrastive learning from neighbouring windows of a piece, as sound and as notes."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from rich.console import Console
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.evaluation.metrics import METRICS, MetricInfo
from musicssl.evaluation.monitors import uniformity
from musicssl.losses.contrastive import contrastive_loss, unit_vectors
from musicssl.methods.base.representation import Objective, RepresentationMethod
from musicssl.runs.artifacts.artifact import TrainedRun
from musicssl.runs.folder import RunFolder

METRICS["twins_found"] = MetricInfo("twins_found", "twins found")
METRICS["twins_mrr"] = MetricInfo("twins_mrr", "reciprocal rank of twins")

KINDS = ("pairing", "neighbours", "both")


class Siamese(RepresentationMethod):
    """Embed two neighbouring windows of each piece, both as sound and as notes, near each other.

    After Gururani, Lerch and Bretan 2019 (ML4MD), of which an abstract is published: a siamese
    network for clips of three seconds of piano music, as MIDI and as sound. Networks, pairs and
    loss are ours. The loss is NT-Xent with several positives: `contrastive_loss`.

    Args:
        window_frames: Length of a window, W.
        positives: "pairing": the same window as sound and as notes. "neighbours": two windows of a
            piece, of the same kind. "both": all of a piece.
        temperature: Divides the cosines.
        projector: See `RepresentationMethod`; one for sound and notes.
        parts: See `RepresentationMethod`.

    Raises:
        InputError: If a setting is invalid.
    """

    needs: ClassVar[Needs] = Needs(labels=False)
    artifacts: ClassVar[tuple[str, ...]] = (
        *RepresentationMethod.artifacts,
        "examples.siamese.method.Twins",
    )

    def __init__(
        self,
        *,
        window_frames: int,
        positives: str,
        temperature: float,
        projector: Any,
        **parts: Any,
    ) -> None:
        super().__init__(projector=projector, **parts)
        self.projector = projector(self.classifier.encoder.embed_dim // 2)
        if positives not in KINDS:
            raise InputError(f"method.positives must be one of {', '.join(KINDS)}.")
        if not 4 <= window_frames <= parts["num_instances"] // 2:
            raise InputError(
                f"method.window_frames={window_frames} must be from 4 to half of the "
                f"{parts['num_instances']} frames of a clip."
            )
        self.window_frames, self.positives = window_frames, positives
        self.temperature = temperature

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        z = self.projections(self.neighbours(batch))
        loss, notes = self.objective(batch, z)
        self.record(loss=loss, **notes)
        return loss

    def objective(self, seen: Batch, z: Tensor) -> Objective:
        """Compare the projections of 2 B windows as sound, then as notes, (4 B, P)."""
        weights = positive_pairs(len(z) // 4, self.positives).to(z)
        loss = contrastive_loss(z, weights, self.temperature)
        return Objective(loss, {"uniformity": uniformity(z)})

    def neighbours(self, batch: Batch) -> Batch:
        """Cut two windows that follow each other out of each clip, (2 B, W, F), at random."""
        size, clips = self.window_frames, torch.arange(len(batch.x)).repeat_interleave(2)
        starts = torch.randint(batch.x.shape[1] - 2 * size + 1, (len(batch.x), 1))
        frames = (starts + torch.arange(2 * size)).reshape(-1, size)  # (2 B, W)
        return batch.select(clips)._replace(x=batch.x[clips[:, None], frames])

    def projections(self, batch: Batch) -> Tensor:
        """Return the projections of N clips as sound, then as notes, (2 N, P)."""
        halves = self.classifier.clip_embeddings(batch).chunk(2, dim=1)
        z: Tensor = self.projector(torch.cat(halves))
        return z


def positive_pairs(clips: int, kind: str) -> Tensor:
    """Return which of the windows of B clips are positives of each other, (4 B, 4 B).

    Rows are the windows as sound, clip by clip, then as notes. The diagonal has no meaning.

    >>> positive_pairs(1, "pairing").int().tolist()
    [[0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0]]
    """
    windows = torch.arange(2 * clips).repeat(2)
    notes = torch.arange(4 * clips) >= 2 * clips
    same_window = windows[:, None] == windows
    same_clip = windows[:, None] // 2 == windows // 2
    same_kind = notes[:, None] == notes
    if kind == "pairing":
        return same_window & ~same_kind
    return same_clip & ~same_window & same_kind if kind == "neighbours" else same_clip


class Twins:
    """How many test clips, as sound, find themselves as notes among all, by their projections."""

    def write(self, run: TrainedRun) -> Mapping[str, Any]:
        """Measure it; nothing is found where the corpus shows one of both only."""
        if getattr(run.datamodule.dataset, "shown", "both") != "both":
            return {}
        with torch.no_grad():
            batches = [b.to(run.method.device) for b in run.datamodule.batches("test")]
            halves = [run.method.projections(batch).chunk(2) for batch in batches]
        sound, notes = (torch.cat(kind) for kind in zip(*halves, strict=True))
        rank = ranks_of_twins(unit_vectors(sound) @ unit_vectors(notes).T).double()
        found = {"twins_found": (rank == 1).double().mean(), "twins_mrr": (1 / rank).mean()}
        return {"macro": {name: float(value) for name, value in found.items()}}

    def show(self, folder: RunFolder, document: Mapping[str, Any], console: Console) -> None:
        """Print nothing more: the table has it."""


def ranks_of_twins(similarity: Tensor) -> Tensor:
    """Return the rank of the diagonal in each row, from 1, (N,); ties count against it.

    >>> ranks_of_twins(torch.tensor([[3.0, 1.0], [2.0, 2.0]])).tolist()
    [1, 2]
    """
    return (similarity >= similarity.diagonal()[:, None]).sum(dim=1)
