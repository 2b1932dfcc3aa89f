"""Data modules of a size for tests."""

from musicssl.data.datamodule import SemiSupervisedDataModule
from tests.support.tiny import Tiny


def datamodule(dataset=None, **settings):
    module = SemiSupervisedDataModule(dataset or Tiny(), **({"batch_size": 16} | settings))
    module.prepare_data()
    module.setup()
    return module
