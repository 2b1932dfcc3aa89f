"""Small runs of `dgm` without a command line."""

import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.methods.dgm import DeepGenerativeModel
from musicssl.seeding import StepSeed
from tests.support.tiny import Tiny
from tests.support.training import dgm_parts, quiet_trainer


def dgm(**changes):
    torch.manual_seed(0)
    return DeepGenerativeModel(**dgm_parts(**changes))


def data(corpus=None, **settings):
    chosen = {"p_s": 0.3, "b_s": 0.5, "batch_size": 16} | settings
    return SemiSupervisedDataModule(corpus or Tiny(), **chosen)


def fit(method, folder, datamodule=None, callbacks=(), **settings):
    trainer = quiet_trainer(folder, callbacks=[StepSeed(0), *callbacks], **settings)
    trainer.fit(method, datamodule or data())
    return trainer
