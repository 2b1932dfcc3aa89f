"""Small runs of `vade` without a command line."""

import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.methods.vade import VaDE
from tests.support.kinds import OneClass
from tests.support.training import m1_parts, quiet_trainer

OF_VADE = {"num_components": None, "pretrain_epochs": 1, "classification_weight": 0.0}


def method(b_s=0, **changes):
    torch.manual_seed(0)
    return VaDE(**m1_parts(task="multi_class", b_s=b_s) | OF_VADE | changes)


def data(corpus=OneClass(), **settings):  # noqa: B008
    return SemiSupervisedDataModule(corpus, **({"batch_size": 28, "b_s": 0} | settings))


def trained(folder, subject, clips, max_epochs=2, **settings):
    trainer = quiet_trainer(folder, num_sanity_val_steps=0, max_epochs=max_epochs, **settings)
    trainer.fit(subject, clips)
    return trainer


def recording(subject, monkeypatch, pretraining=False):
    """Return what the next training steps record, in one phase or the other."""
    recorded = {}
    monkeypatch.setattr(VaDE, "pretraining", pretraining)
    monkeypatch.setattr(subject, "record", recorded.update)
    return recorded
