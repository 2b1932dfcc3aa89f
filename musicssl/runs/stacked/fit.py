"""Several trainers whose runs take their training steps side by side.

Each run is an ordinary one: its own trainer, callbacks, checkpoints and folder. Only its trainer's
fit loop is another. When it is reached, it lets the next run begin, and that one the next, each
within the fit of the one before; the last one to begin trains them all, epoch by epoch. Then each
of them goes on by itself, the last one first.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.loops.fit_loop import _FitLoop

from musicssl.methods.base.stackable import StackableMethod
from musicssl.runs.compilation import CompiledNetworks
from musicssl.runs.progress import EpochProgress
from musicssl.runs.stacked.run import StackedRun
from musicssl.runs.stacked.steps import BatchedSteps, SingleSteps, can_be_batched

_stacks: list["Stack"] = []  # that runs of this process join, at most one


class Stack:
    """Runs that are trained side by side.

    Args:
        begin_others: Begins all runs of the stack that have not begun, one after the other; those
            that are to be trained come to `enter` meanwhile.
        batched: Whether the runs are one batched model; None for where that is faster, on a GPU.

    Attributes:
        waited: Seconds that a run spent on others, by the folder of its trainer.
    """

    def __init__(self, begin_others: Callable[[], None], batched: bool | None = None) -> None:
        self._begin_others = begin_others
        self._batched = batched
        self._loops: list[_FitLoop] = []
        self._is_trained = False
        self._error: Exception | None = None
        self._seconds = 0.0  # of training
        self.waited: dict[Path, float] = {}

    def join(self, trainer: pl.Trainer) -> None:
        """Make a trainer, before its `fit`, one that trains with those of the other runs."""
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, CompiledNetworks):
                callback.mode = "off"  # the networks of all runs are one
        if self._loops:  # one run shows how far all are
            for callback in trainer.callbacks:  # type: ignore[attr-defined]
                if isinstance(callback, EpochProgress):
                    callback.disable()
        own = trainer.fit_loop
        loop = _StackedFitLoop(trainer, own.min_epochs, own.max_epochs)
        loop.epoch_loop, loop.stack = own.epoch_loop, self
        trainer.fit_loop = loop

    def enter(self, loop: _FitLoop) -> None:
        """Return when all runs of the stack are trained.

        Raises:
            Exception: What was raised in training, in each run.
        """
        start = time.perf_counter()
        self._loops.append(loop)
        self._begin_others()
        if self._error is not None:
            raise self._error
        if not self._is_trained:
            try:
                self._train()
            except Exception as error:
                self._error = error
                raise
        share = self._seconds / len(self._loops)
        self.waited[Path(loop.trainer.default_root_dir)] = time.perf_counter() - start - share

    def _train(self) -> None:
        start = time.perf_counter()
        runs = [StackedRun(loop) for loop in self._loops]
        while active := [run for run in runs if not run.is_done]:
            for run in active:
                run.begin_epoch()
            self._train_epoch(active)
            for run in active:
                run.end_epoch()
        self._is_trained = True
        self._seconds = time.perf_counter() - start

    def _train_epoch(self, active: list[StackedRun]) -> None:
        """Take all steps of an epoch, of which a run with a limit of steps may have fewer."""
        while active := [run for run in active if run.steps_left > 0]:
            steps = self._steps(active)
            try:
                steps.take(min(run.steps_left for run in active))
            finally:
                steps.close()

    def _steps(self, active: list[StackedRun]) -> BatchedSteps | SingleSteps:
        method = active[0].method
        batched = method.device.type == "cuda" if self._batched is None else self._batched
        if batched and len(active) > 1 and can_be_batched(method, method.data):
            return BatchedSteps(active)
        return SingleSteps(active)


class _StackedFitLoop(_FitLoop):
    """A fit loop whose epochs a `Stack` trains.

    A run that was resumed trains the epoch that it was in as it would by itself, for there are many
    places within an epoch to go on from.
    """

    stack: Stack

    def run(self) -> None:
        self.setup_data()
        if self.skip:
            return
        resumed = self._loaded_from_state_dict
        self.reset()
        self.on_run_start()
        if resumed and not self.done:
            self.on_advance_start()
            self.advance()
            self.on_advance_end()
            self.on_iteration_done()
        if not self.done:
            assert isinstance(self.trainer.lightning_module, StackableMethod)
            self.stack.enter(self)
        self._restarting = False
        self.on_run_end()


@contextmanager
def stacked(stack: Stack) -> Iterator[None]:
    """Let the runs that begin meanwhile join a stack."""
    _stacks.append(stack)
    try:
        yield
    finally:
        _stacks.pop()


def join_stack(trainer: pl.Trainer) -> None:
    """Let a trainer join the stack that its run belongs to, if there is one."""
    if _stacks:
        _stacks[-1].join(trainer)


def seconds_waited(folder: Path) -> float:
    """Return the seconds that a run spent on others of its stack; 0 if it belongs to none."""
    return _stacks[-1].waited.get(folder, 0.0) if _stacks else 0.0
