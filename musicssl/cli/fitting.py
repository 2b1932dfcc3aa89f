"""The trainer of a run, and training from the current state to the last epoch."""

import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict
from pytorch_lightning.callbacks import LearningRateMonitor

from musicssl.cache import discard
from musicssl.cli.app import in_a_sweep, is_first_rank, say
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.methods.base.method import Method
from musicssl.networks.distributed import SyncBatchNorms
from musicssl.runs.checkpoint import Checkpoint
from musicssl.runs.checkpoint_writing import AtomicCheckpointIO, DescribeCheckpoint, replace_weights
from musicssl.runs.compilation import CompiledNetworks
from musicssl.runs.continuing import state_to_train_on
from musicssl.runs.folder import RunFolder
from musicssl.runs.history import History, check_convergence
from musicssl.runs.interruption import interruption
from musicssl.runs.messages import (
    describe_best,
    describe_course,
    describe_shares,
    describe_stop,
    describe_training,
)
from musicssl.runs.patience import Patience
from musicssl.runs.precision import AUTO, chosen_precision
from musicssl.runs.progress import EpochProgress
from musicssl.runs.ranks import StopTogether, explain_lost_process
from musicssl.runs.resume import BestCheckpoint, ResumeCheckpoint, find_resumable
from musicssl.runs.stacked.fit import join_stack
from musicssl.seeding import StepSeed

logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", ".*in eval mode at the start of training")  # frozen parts are
warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")  # a resume
warnings.filterwarnings("ignore", ".*LeafSpec")  # Lightning's use of torch


def build_trainer(
    config: DictConfig,
    settings: dict[str, Any],
    folder: RunFolder,
    datamodule: SemiSupervisedDataModule,
    made_of: Mapping[str, str],
) -> pl.Trainer:
    """Build the trainer with what makes a run resumable, visible and self-contained."""
    logger = instantiate(config.logger) if config.logger else False
    node, typed = _trainer_node(config)
    describe = DescribeCheckpoint(settings, datamodule.corpus.classes, datamodule.sizes, made_of)
    callbacks = [
        *([LearningRateMonitor("epoch")] if logger else []),
        *_callbacks(config, folder, node.get("enable_progress_bar", True), typed, describe),
    ]
    plugins = [AtomicCheckpointIO(), *([SyncBatchNorms()] if config.trainer.sync_batchnorm else [])]
    trainer: pl.Trainer = instantiate(
        node,
        callbacks=callbacks,
        logger=logger,
        log_every_n_steps=0,  # what a method logs, it logs by the epoch
        plugins=plugins,
        use_distributed_sampler=False,  # each rank draws its own batches, see musicssl.data.batches
        enable_model_summary=node.get("enable_model_summary", False),
        num_sanity_val_steps=0,
        default_root_dir=folder.path,
    )
    _check_devices(trainer)
    return trainer


def check_trainer(config: DictConfig) -> None:
    """Build a trainer with the settings of a run, and nothing else, to see whether they can be.

    Raises:
        InputError: If they cannot.
        hydra.errors.InstantiationException: If Lightning refuses them.
    """
    node, typed = _trainer_node(config)
    _check_devices(instantiate(node, callbacks=typed, logger=False, num_sanity_val_steps=0))


def _trainer_node(config: DictConfig) -> tuple[DictConfig, list[pl.Callback]]:
    """Return the settings of the trainer, and the callbacks that the command line adds."""
    node = config.trainer.copy()
    with open_dict(node):
        typed = node.pop("callbacks", None)
        node.pop("num_sanity_val_steps", None)  # 0 in any case
        node.precision = chosen_precision(node.get("precision", AUTO), node.accelerator)
    return node, _typed_callbacks(typed)


def _check_devices(trainer: pl.Trainer) -> None:
    if trainer.world_size > 1 and in_a_sweep():
        raise InputError(
            f"a job of a sweep trains on one device, not on {trainer.world_size}; set "
            "trainer.devices=1, and launcher=joblib jobs=N to train N jobs at a time, or leave "
            "out -m and start each run by a command of its own."
        )


def _callbacks(
    config: DictConfig,
    folder: RunFolder,
    progress: bool,
    typed: Sequence[pl.Callback],
    describe: DescribeCheckpoint,
) -> list[pl.Callback]:
    """Build the callbacks of every run, those of the command line among them."""
    return [
        StepSeed(config.seed),
        StopTogether(),
        CompiledNetworks(config.compile),
        History(folder.history),
        *([EpochProgress()] if progress else []),
        *typed,
        describe,
        *([Patience(config.select, config.patience)] if config.patience is not None else []),
        BestCheckpoint(folder.best, config.select),
        ResumeCheckpoint(folder.last),
    ]


def _typed_callbacks(nodes: Any) -> list[pl.Callback]:
    """Build the callbacks that the command line adds to those of a run.

    Raises:
        InputError: If something among them is none.
    """
    if nodes is None:
        return []
    nodes = nodes if OmegaConf.is_list(nodes) else [nodes]
    callbacks = [instantiate(node) if OmegaConf.is_dict(node) else node for node in nodes]
    if not all(isinstance(callback, pl.Callback) for callback in callbacks):
        raise InputError(
            "trainer.callbacks must be a list of callbacks, such as +trainer.callbacks="
            "[{_target_:pytorch_lightning.callbacks.EarlyStopping,monitor:val/loss}]."
        )
    return callbacks


def fit_network(
    trainer: pl.Trainer,
    config: DictConfig,
    settings: dict[str, Any],
    folder: RunFolder,
    datamodule: SemiSupervisedDataModule,
    made_of: Mapping[str, str],
    method: Method,
) -> None:
    """Train from the current state to the last epoch; leave the method as its best epoch was."""
    resume = whole_checkpoint(folder, made_of)
    if resume is None and config.continue_from is not None:
        resume = state_to_train_on(folder, settings, made_of)
        say(f"Continuing the complete run in {config.continue_from}.")
    say(describe_training(config.name, method, trainer, datamodule.steps_per_epoch))
    if shares := describe_shares(method, len(datamodule.labelled())):
        say(shares)
    device = trainer.strategy.root_device
    join_stack(trainer)
    with interruption.between_steps(), explain_lost_process(trainer):
        trainer.fit(method, datamodule, ckpt_path=resume, weights_only=True)
    if is_first_rank():
        folder.previous.unlink(missing_ok=True)
        check_convergence(folder.history)
    if not folder.best.is_file():
        stopped_by = describe_stop(trainer) or "a limit of the trainer"
        folder.history.unlink(missing_ok=True)
        raise InputError(
            f"no epoch was trained and validated before {stopped_by} ended training; raise it."
        )
    if is_first_rank():
        say(describe_best(folder.best, folder.history, config.select))
        for remark in describe_course(folder.history, _twice_as_long(config)):
            say(remark)
    method.merge_low_rank()  # the checkpoint has done so
    method.load_state_dict(Checkpoint.read(folder.best).weights)
    method.to(device).eval()  # Lightning has moved it to the CPU
    if is_first_rank() and method.conclude(datamodule):
        replace_weights(folder.best, method.state_dict())


def _twice_as_long(config: DictConfig) -> str:
    name = "max_steps" if config.trainer.max_epochs is None else "max_epochs"
    return f"trainer.{name}={2 * config.trainer[name]}"


def whole_checkpoint(folder: RunFolder, made_of: Mapping[str, str]) -> Path | None:
    """Return the checkpoint to go on from, after removing those that are damaged.

    Raises:
        InputError: If the run was made from other data.
    """
    found = find_resumable(folder, made_of)
    going_on = f"Going on with the interrupted run in {folder.path}"
    if found.damaged:
        names = " and ".join(path.name for path in found.damaged if os.path.lexists(path))
        then = "training begins again" if found.path is None else f"going on from {found.path.name}"
        say(f"Of the checkpoints in {folder.best.parent}, {names} cannot be used: {then}.")
    elif found.path is not None:
        say(f"{going_on}.")
    if is_first_rank():
        for path in found.damaged:
            discard(path)
    return found.path
