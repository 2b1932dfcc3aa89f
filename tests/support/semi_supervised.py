"""Batches and data modules for tests of consistency methods."""

import pytorch_lightning as pl
import torch

from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from tests.support.tiny import Tiny


def data(**settings):
    return SemiSupervisedDataModule(
        Tiny(), **({"p_s": 0.3, "b_s": 0.5, "batch_size": 16} | settings)
    )


class Seeds(pl.Callback):
    """As StepSeed in a run: what is random in a step depends on the step alone."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        torch.manual_seed(trainer.global_step)


def mixed_batch(num_labelled=6, count=16):
    generator = torch.Generator().manual_seed(5)
    mask = torch.zeros(count, 3, dtype=torch.bool)
    mask[:num_labelled] = True
    y = (torch.rand(count, 3, generator=generator) < 0.5).float()
    x = torch.rand(count, 5, 8, generator=generator)
    x[num_labelled:] += 1.0  # another world
    return Batch(x, y, mask, rows=torch.arange(count))
