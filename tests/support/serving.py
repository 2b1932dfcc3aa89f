"""Data modules of a size for tests, and what they are given in tests."""

import dataclasses
from types import SimpleNamespace

import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from tests.support.tiny import Tiny


def datamodule(dataset=None, **settings):
    module = SemiSupervisedDataModule(dataset or Tiny(), **({"batch_size": 16} | settings))
    module.prepare_data()
    module.setup()
    return module


def rank_of(**position):
    """Return what stands for a trainer of several processes."""
    return SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("cpu")), **position)


class Altered(Tiny):
    """A tiny corpus after a change to its arrays."""

    def __init__(self, change, **settings):
        super().__init__(**settings)
        object.__setattr__(self, "change", change)

    def load(self):
        corpus = super().load()
        return dataclasses.replace(corpus, **self.change(corpus))
