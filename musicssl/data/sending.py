"""Copying of batches of sound to a GPU, while the GPU computes the step before.

A clip store has 16 bits a sample. They are sent in this form, half the bytes of floats, from pinned
memory and on a separate stream. The device converts them to floats. Samples are the same to the bit
as those that `ClipStore.read` returns: a 16-bit number as a float, times a power of two.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicssl.audio.store_index import FULL_SCALE
from musicssl.batch import Batch
from musicssl.data.batches import BatchPlan, StepLoader


def as_floats(x: Tensor) -> Tensor:
    """Return samples in [-1, 1], float32, of stored ones, int16; others as they are."""
    return x.float().mul_(1 / FULL_SCALE) if x.dtype == torch.int16 else x


class Sent(NamedTuple):
    """A batch that is being copied to the device.

    Attributes:
        batch: On the device; its values may not have arrived yet.
        arrived: Passed by the stream of copies when they have.
    """

    batch: Batch
    arrived: torch.cuda.Event


class Sender:
    """Sends batches to a GPU from a thread that makes them ahead.

    Args:
        device: The GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def send(self, batch: Batch) -> Sent:
        """Begin to copy a batch; the calling thread does not wait."""
        with torch.cuda.stream(self._stream):
            pinned = (None if part is None else part.pin_memory() for part in batch)
            there = Batch(*pinned).to(self._device)  # type: ignore[arg-type]
            there = there._replace(x=as_floats(there.x))
            return Sent(there, self._stream.record_event())

    def receive(self, sent: Sent) -> Batch:
        """Let the computing stream wait until a batch is there; the calling thread does not."""
        computing = torch.cuda.current_stream(self._device)
        computing.wait_event(sent.arrived)
        for part in sent.batch:
            if part is not None:
                part.record_stream(computing)  # its memory is not used again before that
        return sent.batch


class SendingLoader(StepLoader[Sent]):
    """Loader of training batches that a thread makes and sends during the step before.

    Args:
        plan: See `BatchLoader`.
        gather: See `BatchLoader`.
        epoch: See `StepLoader`.
        device: The GPU.
    """

    def __init__(
        self,
        plan: BatchPlan,
        gather: Callable[[NDArray[np.int64], NDArray[np.float64]], Batch],
        epoch: Callable[[], int],
        device: torch.device,
    ) -> None:
        self._sender = Sender(device)

        def make(epoch: int, step: int) -> Sent:
            return self._sender.send(gather(plan.clips(epoch, step), plan.fractions(epoch, step)))

        super().__init__(plan.steps_per_epoch, make, epoch, ahead=True)

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """Yield batches on the device; see `StepLoader`."""
        for sent in super().__iter__():
            yield self._sender.receive(sent)
