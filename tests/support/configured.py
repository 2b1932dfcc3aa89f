"""Methods and data as train.py builds them from conf/."""

from pathlib import Path

import torch
from hydra.utils import instantiate

from musicssl.cli.app import to_plain
from musicssl.cli.run_data import build_datamodule
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.methods.base.method import Method
from tests.support.commands import SEARCH_PATH, composed
from tests.support.teacher_table import table_of


def configured(
    folder: Path, *overrides: str, dataset: str = "tiny"
) -> tuple[Method, SemiSupervisedDataModule]:
    """Build method and data of a command line; what needs a teacher gets one."""
    config = composed("train", folder, SEARCH_PATH, f"dataset={dataset}", *overrides)
    assert isinstance(to_plain(config), dict)
    data = build_datamodule(config)
    data.prepare_data()
    data.setup()
    torch.manual_seed(0)
    method = instantiate(config.method, **data.sizes)
    if method.needs.teacher:
        kind = method.needs.teacher[0]
        known = None if "known=all" in overrides else data.corpus.y[:, 0] > 0
        data.add_teacher(table_of(data.corpus, kind, known=known))
    data.serve(method.needs)
    return method, data
