"""Instances that are kept on the device of training, so that batches are gathered there.

The clips are copied once, and so are the numbers of the clips that the batches of an epoch hold. A
step then needs no copy from the memory of the computer: the device gathers its batch by index. The
batches hold the same clips as those of `musicssl.data.batches`, in the same order, with the same
values.
"""

import logging
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from musicssl.batch import Batch
from musicssl.data.batches import BatchPlan, StepLoader
from musicssl.data.clips import Clips, Piece
from musicssl.data.corpus import Corpus
from musicssl.data.joined_clips import JoinedClips
from musicssl.data.label_batches import LabelPlan, LabelRows
from musicssl.data.labels import ClipLabels
from musicssl.data.teacher import Teacher
from musicssl.errors import InputError

_log = logging.getLogger(__name__)

AUTO = "auto"
_SHARE = 0.5  # of the free memory of a GPU that the clips may take: the rest is for training
_CLIPS_READ = 1024  # at a time, when clips are copied to the device
_CLIPS_PLANNED = 1 << 20  # numbers of clips that are sent to the device at a time, 8 MiB


def check_resident(resident: bool | str) -> None:
    """Refuse values that `data.resident` does not have.

    Raises:
        InputError: If it is neither auto, true nor false.
    """
    if not isinstance(resident, bool) and resident != AUTO:
        raise InputError(f"data.resident must be auto, true or false, got {resident!r}.")


def is_resident(resident: bool | str, size: int | None, device: torch.device) -> bool:
    """Return whether clips are to be kept on the device of training.

    Args:
        resident: The setting `data.resident`.
        size: Bytes that the clips take; None for clips of sound, which are read from files.
        device: Device of training.

    Raises:
        InputError: If they must be and cannot.
    """
    if resident is False or (resident == AUTO and (size is None or device.type != "cuda")):
        return False
    if size is None:
        raise InputError(
            "data.resident=true keeps instances on the device, but the clips are sound, which is "
            "read from files; leave it out."
        )
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    if resident == AUTO:
        fits = size <= _SHARE * free
        if not fits:
            _log.info("The clips take %.1f GB, and stay in the computer's memory.", size / 1e9)
        return fits
    if size > free:
        raise InputError(
            f"data.resident=true keeps {size / 1e9:.1f} GB of clips on the GPU, which has "
            f"{free / 1e9:.1f} GB of free memory; set data.resident=false."
        )
    return True


def size_of(corpora: list[Corpus], teacher: Teacher | None, activity: bool) -> int | None:
    """Return the bytes that the clips of corpora take on a device; None for sound.

    Args:
        corpora: All corpora of a run.
        teacher: Teacher whose outputs are kept beside them, if there is one.
        activity: Whether labels in time are kept as well.
    """
    if any(corpus.is_sound for corpus in corpora):
        return None
    count = sum(len(corpus.clip_ids) for corpus in corpora)
    size = 0
    for corpus in corpora:
        if corpus.is_tokens:
            size += 8 * corpus.token_rows.size  # int64
        else:
            size += 4 * corpus.instances.size  # float32
    if activity:
        size += count * int(corpora[0].instances.shape[1]) * len(corpora[0].classes)
    return size if teacher is None else size + 4 * count * teacher.width


class ResidentClips(NamedTuple):
    """All clips of one or two corpora on a device.

    Attributes:
        first: The clips of the corpus, one batch.
        second: Those of the unlabelled corpus, or None; their rows follow those of the first.
    """

    first: Batch
    second: Batch | None

    @classmethod
    def of(
        cls,
        clips: Clips,
        labels: ClipLabels,
        counts: list[int],
        device: torch.device,
        activity: bool = False,
        teacher: Teacher | None = None,
    ) -> "ResidentClips":
        """Copy clips to a device, with all that their batches may hold.

        Args:
            clips: Of one or two corpora.
            labels: Labels of the same clips.
            counts: Number of clips of each corpus.
            device: Where they are to be.
            activity: Whether their batches hold labels in time.
            teacher: Teacher whose outputs their batches hold, or None.
        """
        parts = [clips.first, clips.second] if isinstance(clips, JoinedClips) else [clips]
        tables: list[Batch] = []
        offset = 0
        for part, count in zip(parts, counts, strict=True):
            rows = offset + np.arange(count)
            table = labels.of(rows, _all_of(part, count, device), activity)
            if teacher is not None:
                table = teacher.added_to(table, rows)
            tables.append(table.to(device))
            offset += count
        return cls(tables[0], tables[1] if len(tables) > 1 else None)

    def batch(self, rows: Tensor, num_first: int) -> Batch:
        """Gather clips.

        Args:
            rows: The clips, (B,) int64, on the device: if there are two corpora, those of the first
                before those of the second.
            num_first: How many are of the first corpus, if there are two.
        """
        if self.second is None or num_first == len(rows):
            return self.first.select(rows)
        others = self.second.select(rows[num_first:] - len(self.first.x))
        return _joined(self.first.select(rows[:num_first]), others) if num_first else others


def _all_of(clips: Clips, count: int, device: torch.device) -> Piece:
    """Copy all clips of a corpus to a device, some at a time."""
    like = clips.whole(np.zeros(1, np.int64)).x
    x = torch.empty((count, *like.shape[1:]), dtype=like.dtype, device=device)
    lengths: list[Tensor] = []
    for rows in clips.batches(np.arange(count), _CLIPS_READ):
        piece = clips.whole(rows)
        x[int(rows[0]) : int(rows[-1]) + 1] = piece.x.to(device)
        lengths += [] if piece.lengths is None else [piece.lengths]
    return Piece(x, torch.cat(lengths) if lengths else None, np.zeros(count, np.int64))


def _joined(first: Batch, second: Batch) -> Batch:
    """Return the clips of two corpora as one batch, padded to the longer one."""
    widths = [len(part.x[0]) for part in (first, second)]
    if widths[0] != widths[1] or first.lengths is not None or second.lengths is not None:
        first, second = _with_lengths(first), _with_lengths(second)
    return _padded(first, max(widths)).join(_padded(second, max(widths)))


def _with_lengths(batch: Batch) -> Batch:
    if batch.lengths is not None:
        return batch
    count, longest = batch.x.shape[:2]
    return batch._replace(lengths=torch.full((count,), longest, device=batch.x.device))


def _padded(batch: Batch, longest: int) -> Batch:
    missing = longest - batch.x.shape[1]
    if missing == 0:
        return batch
    activity = None if batch.activity is None else pad(batch.activity, (0, 0, 0, missing))
    in_time = (*[0] * (2 * (batch.x.ndim - 2)), 0, missing)  # `pad` begins with the last dimension
    return batch._replace(x=pad(batch.x, in_time), activity=activity)


class ResidentLoader(StepLoader[Batch]):
    """Loader of training batches that are gathered on the device.

    Args:
        plan: The clips of each batch.
        clips: Returns the clips; called when a batch is gathered.
        epoch: See `StepLoader`.
        device: Device of the clips.
    """

    def __init__(
        self,
        plan: BatchPlan,
        clips: Callable[[], ResidentClips],
        epoch: Callable[[], int],
        device: torch.device,
    ) -> None:
        per_step = plan.batch_size * plan.num_crops
        self._stretch = max(1, _CLIPS_PLANNED // per_step)  # steps that are planned at a time
        self._planned: tuple[tuple[int, int], Tensor] | None = None
        self._device = device
        self._clips = clips
        self.plan = plan
        super().__init__(plan.steps_per_epoch, self._batch, epoch)

    def _batch(self, epoch: int, step: int) -> Batch:
        num_labelled = self.plan.num_labelled * self.plan.num_crops
        batch = self._clips().batch(self._rows(epoch, step), num_labelled)
        batch.mask[num_labelled:] = False  # the labels are a copy
        return batch

    def _rows(self, epoch: int, step: int) -> Tensor:
        """Return the clips of a batch, (B V,), on the device."""
        first = step - step % self._stretch
        if self._planned is None or self._planned[0] != (epoch, first):
            count = min(self._stretch, self.plan.steps_per_epoch - first)
            rows = self.plan.stretch(epoch, first, count).repeat(self.plan.num_crops, axis=1)
            self._planned = (epoch, first), sent(torch.from_numpy(rows), self._device)
        return self._planned[1][step - first]


class ResidentSplit:
    """Batches of the whole clips of a split, in order, gathered on the device.

    Args:
        batches: The clips of each batch, all of the first corpus.
        clips: Returns the clips; called when a batch is gathered.
        targets: Targets of all clips of the first corpus as the split has them, (N, C).
        mask: True where they were observed, (N, C).
        device: Device of the clips.
    """

    def __init__(
        self,
        batches: list[NDArray[np.int64]],
        clips: Callable[[], ResidentClips],
        targets: Tensor,
        mask: Tensor,
        device: torch.device,
    ) -> None:
        self._batches = batches
        self._clips = clips
        self._labels = targets, mask
        self._device = device

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        if not self._batches:
            return
        y, mask = (sent(part, self._device) for part in self._labels)
        table = self._clips().first._replace(y=y, mask=mask, teacher=None, teacher_mask=None)
        rows = sent(torch.from_numpy(np.concatenate(self._batches)), self._device)
        start = 0
        for batch in self._batches:
            yield table.select(rows[start : start + len(batch)])
            start += len(batch)


class ResidentLabelPlan:
    """The clips of the steps of a `LabelPlan`, sent to the device an epoch at a time."""

    def __init__(self, plan: LabelPlan, device: torch.device) -> None:
        self._plan = plan
        self._device = device
        self._planned: tuple[int, LabelRows] | None = None

    def rows(self, epoch: int, step: int) -> LabelRows:
        """Return the clips of a step; see `LabelPlan.rows`."""
        if self._planned is None or self._planned[0] != epoch:
            whole = LabelRows(*(sent(part, self._device) for part in self._plan.of_epoch(epoch)))
            self._planned = epoch, whole
        return LabelRows(*(part[step] for part in self._planned[1]))


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor to a device without waiting for what the device does."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()  # from other memory a copy waits
    return tensor.to(device, non_blocking=True)
