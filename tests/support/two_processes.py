"""Short trainings of methods on one process, or as one of two ranks of the same global batches."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from musicssl.cli.fitting import build_trainer
from musicssl.cli.run_data import build_datamodule, load_data
from musicssl.runs.folder import RunFolder
from tests.support.commands import composed
from tests.support.teacher_table import table_of

GLOBAL_BATCH = 12
RANKS = (
    *("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"),
    "trainer.sync_batchnorm=true",
)


class Job(NamedTuple):
    """The command line of a method, and the kind of the outputs of its teacher, if it has one."""

    words: Sequence[str]
    teacher: str = ""


class Watch(pl.Callback):
    """Note the clips of each batch and the loss of each step, and the weights after the first."""

    def __init__(self) -> None:
        self.losses: list[Tensor] = []
        self.clips: list[list[list[int]]] = []  # of each step, of each stream or model
        self.first: dict[str, Tensor] = {}
        self.validated: list[int] = []  # clips in the last epoch
        self.validation_batches = 0
        self.metrics: list[dict[str, float]] = []  # of each epoch

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.losses.append(outputs["loss"].detach())
        by_label = hasattr(batch, "labelled")
        rows = [*batch.labelled, *batch.unlabelled] if by_label else [batch.rows]
        self.clips.append([of.tolist() for of in rows])
        if len(self.losses) == 1:
            self.first = copied(pl_module.state_dict())

    def on_validation_epoch_start(self, trainer, pl_module):
        self.validated, self.validation_batches = [], 0

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        self.validated += batch.rows.tolist()
        self.validation_batches += 1

    def on_validation_end(self, trainer, pl_module):
        values = trainer.callback_metrics.items()
        self.metrics.append({name: float(v) for name, v in values if name.startswith("val/")})


def copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}


def constant_noise() -> Any:
    """Let every random number of a step be 0.5: ranks draw others than one process, by intention.

    Starting weights and permutations of batches are drawn by other functions.
    """

    def like(x: Tensor, **options: Any) -> Tensor:
        return torch.full_like(x, 0.5)

    def of(*shape: Any, device: Any = None, **options: Any) -> Tensor:
        return torch.full(shape[0] if isinstance(shape[0], tuple) else shape, 0.5, device=device)

    return mock.patch.multiple(torch, randn_like=like, rand_like=like, randn=of, rand=of)


def train(folder: Path, job: Job, world_size: int) -> dict[str, Any]:
    """Train a method; return what its steps, weights and validation were."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = (*job.words, f"data.batch_size={GLOBAL_BATCH // world_size}")
    config = composed("train", folder, *settings, *(RANKS if world_size > 1 else ()))
    pl.seed_everything(config.seed, verbose=False)
    datamodule = load_data(config, partial(build_datamodule, config))
    method = instantiate(config.method, **datamodule.sizes)
    if job.teacher:
        datamodule.add_teacher(table_of(datamodule.corpus, job.teacher))
    datamodule.serve(method.needs)
    for part in method.modules():
        if isinstance(part, nn.modules.dropout._DropoutNd):
            part.p = 0.0
    plain = OmegaConf.to_container(config, resolve=True)
    trainer = build_trainer(config, plain, RunFolder(folder), datamodule, {})
    watch = Watch()
    trainer.callbacks.append(watch)
    with constant_noise():
        trainer.fit(method, datamodule)
    ensemble = getattr(method, "ensemble", None)
    return {
        "losses": torch.stack(watch.losses),
        "clips": watch.clips,
        "first": watch.first,
        "weights": copied(method.state_dict()),
        "ensemble": {} if ensemble is None else ensemble.saved(),
        "validated": watch.validated,
        "validation_batches": watch.validation_batches,
        "metrics": watch.metrics,
        "val": datamodule.rows("val").tolist(),
    }


def as_rank(rank: int, folder: Path, jobs: Mapping[str, Job]) -> dict[str, Any]:
    """Train all methods one after the other, as one of two ranks that can talk already."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0"}
    os.environ |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "a"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}  # asked for, not used
    return {name: train(folder / name, job, 2) for name, job in jobs.items()}


def alone(folder: Path, jobs: Mapping[str, Job]) -> dict[str, Any]:
    """Train all methods one after the other on one process."""
    return {name: train(folder / name, job, 1) for name, job in jobs.items()}
