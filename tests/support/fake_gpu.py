"""A training step on a GPU that is not there: what waits for the device is refused.

PyTorch's `FakeTensorMode` follows shapes, types and devices of tensors without their values. Under
it everything that needs a value fails: `item`, `bool`, `tolist`, `nonzero`, indexing by a mask. It
also fails where tensors of two devices meet. `Waits` refuses the copies for which the host waits.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from tests.support.training import quiet_trainer

GPU = torch.device("cuda")


class WaitError(Exception):
    """The host would wait for the GPU."""


class Waits(TorchDispatchMode):
    """Refuse copies between the devices for which the host waits.

    These are all copies from the GPU, and those to it from memory that is not pinned, unless they
    are `non_blocking`. A number, a tensor without dimensions, may meet tensors of the GPU.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in ("_to_copy", "copy_", "to", "resolve_conj"):
            source, target = (args[1], args[0]) if name == "copy_" else (args[0], out)
            blocking = not (kwargs or {}).get("non_blocking", False)
            both = source.device.type, target.device.type
            if both == ("cuda", "cpu") or (both == ("cpu", "cuda") and blocking):
                raise WaitError(f"{name} from {both[0]} to {both[1]}")
        return out


@contextmanager
def fake_gpu() -> Iterator[None]:
    """Run a block under the fake device; tensors made with `device=GPU` are on it."""
    with FakeTensorMode(allow_non_fake_inputs=False), Waits():
        yield


def on_fake_gpu(thing: Any, *shared: Any) -> Any:
    """Copy anything with all tensors in it to the fake device, but for what is shared as it is."""

    def moved(tensor: Tensor, memo: dict[int, Any]) -> Tensor:
        if id(tensor) not in memo:
            found = torch.empty(tensor.shape, dtype=tensor.dtype, device=GPU)
            if isinstance(tensor, torch.nn.Parameter):
                found = torch.nn.Parameter(found, requires_grad=tensor.requires_grad)
            memo[id(tensor)] = found
        return memo[id(tensor)]

    with (
        patch.object(Tensor, "__deepcopy__", moved),
        patch.object(torch.nn.Parameter, "__deepcopy__", moved),
    ):
        return copy.deepcopy(thing, {id(part): part for part in shared})


class OnFakeGpu(pl.Callback):
    """Repeat a step of a training on the fake device before it is taken.

    Args:
        number: Of the optimizer step before which this is done.
        during: A context in which it is done.
    """

    def __init__(self, number: int = 1, during: Callable[[], Any] = fake_gpu) -> None:
        self.number = number
        self.during = during
        self.loss: Tensor | None = None  # of the step on the fake device

    def on_train_batch_start(self, trainer, method, batch, batch_idx):
        if trainer.global_step < self.number or self.loss is not None:
            return
        with self.during(), patch.object(pl.LightningModule, "optimizer_step"):
            there = on_fake_gpu(method, trainer)
            there.trainer = trainer  # which it does not copy
            there._device = GPU
            moved = type(batch)(*(None if part is None else on_fake_gpu(part) for part in batch))
            self.loss = there.training_step(moved, batch_idx)
            there.on_before_optimizer_step(None)
            there.optimizer_step(0, 0, None, None)


def step_on_fake_gpu(folder, method, data, number: int = 1, **settings) -> Tensor | None:
    """Train a method until a step was repeated on the fake device; return the loss there.

    Raises:
        Exception: Of PyTorch, or `WaitError`, if the host would wait in it.
    """
    watch = OnFakeGpu(number)
    limits = {"max_steps": number + 1, "max_epochs": -1, "limit_val_batches": 0}
    quiet_trainer(folder, callbacks=[watch], **(limits | settings)).fit(method, data)
    return watch.loss
