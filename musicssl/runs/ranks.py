"""How the processes of a distributed run end: all together, or with a sentence."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import distributed

from musicssl.errors import InputError
from musicssl.runs.interruption import interruption
from musicssl.runs.preemption import preemption

_LOST = re.compile("by peer|nccl|timed out|broken pipe|connection refused", re.IGNORECASE)


class StopTogether(pl.Callback):
    """End all processes of a run after the same step if one of them gets SIGTERM or Ctrl-C.

    Lightning answers the signal with a broadcast at once, wherever the process is: the others are
    in another collective meanwhile, and all wait for ever or fail with a traceback. Here a signal
    is only noted, and after each step the processes agree whether one of them got it. Then all of
    them stop as one process does, and save where they are.

    A signal in validation is answered after the first step of the next epoch. Nothing is done about
    SIGTERM in a run of one process, which Lightning stops well; Ctrl-C ends such a run after the
    step or the batch of validation. The signals of schedulers are made SIGTERM in all runs.
    """

    def __init__(self) -> None:
        self._asked = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Answer SIGTERM in Lightning's place, until it gives it back at the end of training."""
        preemption.wait_for_steps()
        if trainer.world_size > 1:
            signal.signal(signal.SIGTERM, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._asked = True

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Stop if one of the processes was asked to.

        Raises:
            SIGTERMException: If so, in all of them.
            KeyboardInterrupt: If one of them got Ctrl-C, in all of them.
        """
        if trainer.world_size == 1:
            interruption.check()
            return
        flags = [self._asked, preemption.number or 0, interruption.asked]
        asked = torch.tensor([int(flag) for flag in flags], device=trainer.strategy.root_device)
        distributed.all_reduce(asked, op=distributed.ReduceOp.MAX)
        if asked[2]:
            raise KeyboardInterrupt
        if asked[0]:
            preemption.number = int(asked[1]) or None  # all end with the same status
            raise SIGTERMException

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Stop a run of one process at Ctrl-C.

        Raises:
            KeyboardInterrupt: If there was one.
        """
        if trainer.world_size == 1:
            interruption.check()


@contextmanager
def explain_lost_process(trainer: pl.Trainer) -> Iterator[None]:
    """Report that another process of the run has ended, instead of the errors that follow.

    Raises:
        InputError: If so.
    """
    try:
        yield
    except RuntimeError as error:
        if trainer.world_size == 1 or not _LOST.search(str(error)):
            raise
        raise InputError(
            "another process of this run has ended, so that this one ends too; if its own message "
            "does not say why, memory ran out or somebody stopped it. The same command continues "
            "the run."
        ) from error
