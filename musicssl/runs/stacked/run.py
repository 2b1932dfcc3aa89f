"""One of several runs that are trained side by side, whose trainer is moved on from outside."""

from typing import NamedTuple

import pytorch_lightning as pl
from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.trainer import call
from torch.optim.lr_scheduler import LambdaLR

from musicssl.batch import Batch
from musicssl.methods.base.stackable import StackableMethod
from musicssl.seeding import StepSeed, step_seed


class StepInput(NamedTuple):
    """What a training step of a run is made from.

    Attributes:
        batch: The clips, not yet on the device.
        weight: See `StackableMethod.weight_at`.
        seed: Seed of the random numbers in the step.
    """

    batch: Batch
    weight: float
    seed: int


class StackedRun:
    """A run whose trainer has reached its first epoch, and does not step by itself.

    An epoch uses the same parts of Lightning in the same order as Lightning does. Only the hooks of
    callbacks around each step differ: they are called for the last step only.

    Args:
        loop: Of its trainer, whose method is a `StackableMethod` with one optimizer and one
            schedule, advanced at each step.
    """

    def __init__(self, loop: _FitLoop) -> None:
        self.loop = loop
        self.trainer: pl.Trainer = loop.trainer
        method = self.trainer.lightning_module
        assert isinstance(method, StackableMethod)
        self.method = method
        (self.optimizer,) = self.trainer.optimizers
        scheduler = self.trainer.lr_scheduler_configs[0].scheduler
        assert isinstance(scheduler, LambdaLR)  # see `Method.configure_optimizers`
        self._scheduler = scheduler
        self._seed = next(c.seed for c in self.trainer.callbacks if isinstance(c, StepSeed))  # type: ignore[attr-defined]

    @property
    def is_done(self) -> bool:
        """Whether it has reached its last epoch, or has lost its patience."""
        return self.loop.done

    def begin_epoch(self) -> None:
        """Do what comes before the first step."""
        self.loop.on_advance_start()
        epoch = self.loop.epoch_loop
        epoch.reset()
        assert self.loop._data_fetcher is not None
        self._batches = self.loop._data_fetcher
        epoch.on_run_start(self._batches)

    @property
    def steps_left(self) -> int:
        """The number of steps to the end of the epoch, or of training."""
        steps = int(self.trainer.num_training_batches)
        left = steps - self.loop.epoch_loop.batch_progress.current.ready
        most = self.trainer.max_steps
        return left if most < 0 else min(left, most - self.trainer.global_step)

    def next_input(self) -> StepInput:
        """Return the input of the next step."""
        epoch, trainer = self.trainer.current_epoch, self.trainer
        batch, _, _ = next(self._batches)
        self._batch: Batch = trainer.precision_plugin.convert_input(batch)
        progress = self.loop.epoch_loop.batch_progress
        step = progress.current.ready
        if step > 0:  # the end of the step before
            self.loop.epoch_loop._batches_that_stepped += 1
        progress.is_last_batch = self._batches.done
        progress.increment_ready()
        progress.increment_started()
        weight = self.method.weight_at(epoch + step / trainer.num_training_batches)
        return StepInput(self._batch, weight, step_seed(self._seed, epoch, step))

    def step(self) -> None:
        """Step on the gradients that the parameters have now."""
        trainer, epoch = self.trainer, self.loop.epoch_loop
        clip, kind = trainer.gradient_clip_val, trainer.gradient_clip_algorithm
        if clip is not None:
            self.method.configure_gradient_clipping(self.optimizer, clip, kind)
        counted = epoch.automatic_optimization.optim_progress.optimizer
        counted.zero_grad.increment_ready()
        counted.zero_grad.increment_started()
        counted.zero_grad.increment_completed()
        counted.step.increment_ready()
        self.optimizer.step()
        counted.step.increment_completed()
        self.method.stepped(trainer.global_step)
        epoch.batch_progress.increment_processed()
        epoch.scheduler_progress.increment_ready()
        self._scheduler.step()
        epoch.scheduler_progress.increment_completed()
        epoch.batch_progress.increment_completed()

    def end_epoch(self) -> None:
        """Do what comes after the last step: log, validate, save."""
        trainer, epoch = self.trainer, self.loop.epoch_loop
        self._end_last_step()
        epoch.on_advance_end(self._batches)
        epoch.on_iteration_done()
        epoch._restarting = False
        self.loop.on_advance_end()
        self.loop.on_iteration_done()
        assert trainer.training

    def _end_last_step(self) -> None:
        trainer, index = self.trainer, self.loop.epoch_loop.batch_idx
        connector = trainer._logger_connector
        connector.on_batch_start(self._batch)
        call._call_callback_hooks(trainer, "on_train_batch_end", None, self._batch, index)
        call._call_lightning_module_hook(trainer, "on_train_batch_end", None, self._batch, index)
        connector.on_batch_end()
        connector.update_train_step_metrics()
