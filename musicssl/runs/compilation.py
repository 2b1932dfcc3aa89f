"""Networks that are compiled for training by torch.compile, where this pays."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from musicssl.errors import InputError
from musicssl.methods.base.method import Method

# What a network gets of another one is no leaf, which torch looks at when it compiles.
warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf")

_KEPT_IN = "TORCHINDUCTOR_CACHE_DIR"
MODES = ("auto", "off", "default", "reduce-overhead")

# Steps of a run from which compilation gains more than it costs, on a GPU.
#
# Of sound: a step of SampleCNN with 96 crops takes 32.5 ms, and 17.8 ms compiled, both measured on
# an H200. The 14.7 ms that a step gains pay for about 45 s of compiling (estimated) in 3,000 steps.
# Of instances: a step of ATT takes 4.3 ms there, nearly all of it the launches of small kernels. If
# 3 ms are gained (estimated), the 20 s that so small a network takes are paid for in 7,000 steps.
# benchmarks/gpu.sh measures both.
BREAK_EVEN = {"sound": 3_000, "instances": 7_000}


def check_compile(mode: object) -> None:
    """Refuse values that the setting `compile` does not have.

    Raises:
        InputError: If it is none of `MODES`.
    """
    if mode not in MODES:
        raise InputError(f"compile must be one of {', '.join(MODES)}, got {mode}.")


def chosen_mode(mode: str, device: torch.device, of_sound: bool, steps: float) -> str:
    """Return how to compile: "off", "default" or "reduce-overhead".

    Args:
        mode: The setting.
        device: Device of training.
        of_sound: Whether the networks read sound.
        steps: Training steps that the run has before it.
    """
    if mode != "auto":
        return mode
    pays = steps >= BREAK_EVEN["sound" if of_sound else "instances"]
    has_compiler = any(map(shutil.which, ("cc", "gcc", "clang")))  # Triton builds its launcher
    return "default" if device.type == "cuda" and pays and has_compiler else "off"


def keep_compiled(folder: Path) -> None:
    """Let torch keep what it compiles in a folder, for the next run, unless another was named.

    Without a name torch sets one itself, in the folder of temporary files, which may be emptied.
    """
    named = Path(os.environ.get(_KEPT_IN, ""))
    by_torch = named.parent == Path(tempfile.gettempdir()) and "torchinductor_" in named.name
    if by_torch or not named.name:
        os.environ[_KEPT_IN] = str(folder.absolute())


class CompiledNetworks(pl.Callback):
    """Compile what a method computes in its training steps; see `Method.compiled`.

    Validation and test are not compiled: their batches have other sizes, for each of which torch
    would compile again. Weights and checkpoints stay the same.

    Args:
        mode: See `chosen_mode`.
        backend: See `torch.compile`.
        fullgraph: Whether a graph break is an error.
    """

    def __init__(self, mode: str, backend: str = "inductor", fullgraph: bool = False) -> None:
        check_compile(mode)
        self.mode = mode
        self.backend = backend
        self.fullgraph = fullgraph
        self.chosen = "off"
        self._parts: list[tuple[nn.Module, str, Callable[..., Any]]] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compile, when all copies of networks have been made."""
        assert isinstance(pl_module, Method)
        steps = min(trainer.estimated_stepping_batches, float("inf")) - trainer.global_step
        of_sound = pl_module.data.corpus.is_sound
        self.chosen = chosen_mode(self.mode, pl_module.device, of_sound, steps)
        if self.chosen == "off":
            return
        for owner, name in pl_module.compiled_calls():
            called = getattr(owner, name)
            call = called._call_impl if isinstance(called, nn.Module) else called
            compiled = torch.compile(
                call, backend=self.backend, mode=self.chosen, fullgraph=self.fullgraph
            )
            self._parts.append((owner, name, compiled))
        self._switch(on=True)

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Let CUDA graphs use the memory of the last step's results again."""
        if self.chosen == "reduce-overhead":
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave validation as it is."""
        self._switch(on=False)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on with compiled steps."""
        self._switch(on=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave networks behind that are not compiled."""
        self._switch(on=False)
        self._parts.clear()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """See `on_train_end`."""
        self.on_train_end(trainer, pl_module)

    def _switch(self, on: bool) -> None:
        for owner, name, compiled in self._parts:
            called = getattr(owner, name)
            if isinstance(called, nn.Module):
                # What `nn.Module.compile` sets; there is no other way to take it back.
                called._compiled_call_impl = compiled if on else None
            elif on:
                setattr(owner, name, compiled)
            else:
                delattr(owner, name)  # of the instance, in front of the function of its class
