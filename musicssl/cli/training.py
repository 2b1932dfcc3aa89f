"""What `musicssl train` does with a composed configuration: train, test and show a run."""

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_class, instantiate
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf, open_dict
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from musicssl.cache import discard, file_identity
from musicssl.cli import fine_tuning
from musicssl.cli.app import (
    bring_rate,
    command_line_overrides,
    do_job,
    explain_invalid_settings,
    in_a_sweep,
    is_first_rank,
    output_folder,
    resolved,
    to_plain,
    use_threads,
)
from musicssl.cli.checks import check_batch_size, check_limits, check_selection, check_values
from musicssl.cli.conf import conf_folder
from musicssl.cli.job import Outcome
from musicssl.cli.overrides import check_kinds, check_use
from musicssl.cli.teaching import add_teacher
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import check_corpus_for
from musicssl.errors import InputError
from musicssl.figures.embedding_map import check_layout
from musicssl.methods.base.learner import Learner
from musicssl.methods.base.method import Method
from musicssl.methods.base.online_probe import OnlineProbe
from musicssl.networks.distributed import SyncBatchNorms
from musicssl.runs.artifacts.artifact import artifacts_of
from musicssl.runs.artifacts.embeddings import draw_map
from musicssl.runs.artifacts.robustness import (
    chosen_corruptions,
    chosen_severities,
    write_robustness,
)
from musicssl.runs.baselines import read_baselines, write_baselines
from musicssl.runs.checkpoint import (
    AtomicCheckpointIO,
    Checkpoint,
    DescribeCheckpoint,
    load_method,
    replace_weights,
)
from musicssl.runs.compilation import CompiledNetworks, check_compile, keep_compiled
from musicssl.runs.folder import RunFolder
from musicssl.runs.history import History, check_convergence
from musicssl.runs.messages import (
    describe_best,
    describe_course,
    describe_data,
    describe_stop,
    describe_training,
)
from musicssl.runs.patience import Patience
from musicssl.runs.precision import AUTO, chosen_precision
from musicssl.runs.pretrained import overlap, weights_digest, weights_of
from musicssl.runs.progress import EpochProgress
from musicssl.runs.ranks import StopTogether, explain_lost_process
from musicssl.runs.results import amount_of_training, show_results, write_results
from musicssl.runs.resume import BestCheckpoint, ResumeCheckpoint, find_resumable
from musicssl.runs.stacked.fit import join_stack
from musicssl.runs.starting import start_identity
from musicssl.runs.teachers import teacher_in
from musicssl.runs.trust import homes
from musicssl.seeding import StepSeed

logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", ".*in eval mode at the start of training")  # frozen parts are
warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")  # a resume
warnings.filterwarnings("ignore", ".*LeafSpec")  # Lightning's use of torch

_READ_ELSEWHERE = ("root", "labels", "cache", "labelled_clips")  # as ${data.root} and so on

Data = Callable[[], SemiSupervisedDataModule]


def train(config: DictConfig) -> Outcome | None:
    """Train, or continue an interrupted run, then test; a complete run is only shown."""
    folder = RunFolder(output_folder())
    return do_job(partial(run, config, folder), folder)


def run(config: DictConfig, folder: RunFolder) -> None:
    """Do all that a run consists of and that is still to be done, inside its folder.

    Raises:
        InputError: If the settings cannot be.
    """
    bring_rate(config)
    settings = resolved(config)
    with explain_invalid_settings(settings):
        _do(config, settings, folder)


def _do(config: DictConfig, settings: dict[str, Any], folder: RunFolder) -> None:
    if not config.overwrite:
        folder.check(settings)
        remove_damaged_result(folder)
    if folder.is_complete and not config.overwrite:
        continue_if_stopped(settings, folder)
    complete = folder.is_complete and not config.overwrite
    if not complete:
        check_kinds(settings, conf_folder(), "train", HydraConfig.get().overrides)
        check_values(settings)
        check_compile(settings["compile"])
        check_use(config.method, HydraConfig.get().overrides.task)
    get_class(config.method._target_)  # its module may add metrics, also for runs that are complete
    use_threads(config.threads)
    if isinstance(config.data.cache, str):
        keep_compiled(Path(config.data.cache).expanduser() / "compiled")
    pl.seed_everything(config.seed, verbose=False)
    data = cache(partial(load_data, config))  # of several things to be done, the first one reads it
    if complete:
        check_data_of_complete(config, folder, data)
    if complete and not in_a_sweep():
        print("This run is complete; overwrite=true trains it again.")
    if not complete:
        train_and_test(config, settings, folder, data)
    elif (
        "embedding_map" in command_line_overrides() and config.embedding_map != folder.embedding_map
    ):
        draw_again(config, settings, folder, data)
    if config.corruption is not None:
        corrupt_and_test(config, settings, folder, data)
    if config.baselines:
        measure_baselines(config, folder, data)
    if is_first_rank() and not in_a_sweep():
        name = str(config.name) if config.baselines else None
        show_results(folder, artifacts_of(get_class(config.method._target_)), name)


def remove_damaged_result(folder: RunFolder) -> None:
    """Make a run whose result cannot be read an unfinished one, which writes it again."""
    if not os.path.lexists(folder.metrics):
        return
    try:
        whole = {"macro", "per_class", "classes"} <= folder.result().keys()
    except InputError:
        whole = False
    if not whole:
        say(f"{folder.metrics} is damaged, so the trained method is tested again.")
        if is_first_rank():
            discard(folder.metrics)


def check_data_of_complete(config: DictConfig, folder: RunFolder, data: Data) -> None:
    """Make sure that results are not shown as those of other labels.

    A run of version 0.1 does not say what it was made from, and is shown as it is.

    Raises:
        InputError: If the corpus has changed since.
    """
    if not folder.data.is_file():
        return
    try:
        found = made_from(config, data())
    except InputError as error:
        say(f"It cannot be said whether the data of this run are still the same: {error}")
        return
    folder.check_data(found)


def made_from(
    config: DictConfig, datamodule: SemiSupervisedDataModule, start: str | None = None
) -> dict[str, str]:
    """Return hashes of all that a run follows from beside its settings, by name.

    Args:
        config: Of the run.
        datamodule: Of the run.
        start: Hash of the checkpoint to start from, if it has been read; else it is read here.
    """
    parts = datamodule.identity()
    if config.finetune.checkpoint is not None:
        path = Path(config.finetune.checkpoint).expanduser()
        parts["weights to start from"] = start or start_identity(path)
    of_encoder = weights_digest(OmegaConf.to_container(config.method, resolve=True))
    if of_encoder is not None:
        parts["weights of the encoder"] = of_encoder
    teacher = teacher_in(to_plain(config))
    if teacher is not None:
        parts["teacher"] = file_identity(teacher[0])
    return parts


def load_data(config: DictConfig) -> SemiSupervisedDataModule:
    """Build the data module and let it read its corpus.

    Raises:
        InputError: If clips are to be corrupted that are no sound, or otherwise than they can be.
    """
    datamodule = build_datamodule(config)
    datamodule.prepare_data()
    datamodule.setup()
    if config.corruption is not None:
        severities = chosen_severities(to_plain(config.severities))
        chosen_corruptions(to_plain(config.corruption), datamodule.corpus, severities)
    return datamodule


def build_datamodule(config: DictConfig) -> SemiSupervisedDataModule:
    """Build the data module that `data` describes, without reading its corpus."""
    node = config.data.copy()
    with open_dict(node):
        for key in _READ_ELSEWHERE:
            del node[key]
    datamodule: SemiSupervisedDataModule = instantiate(node)
    return datamodule


def train_and_test(
    config: DictConfig, settings: dict[str, Any], folder: RunFolder, data: Data
) -> None:
    """Train a method and leave its results in the folder."""
    check_layout(config.embedding_map)
    datamodule = data()
    check_batch_size(datamodule)
    check_selection(config.select, config.patience, datamodule)
    say(describe_data(datamodule))
    fine_tuning.fine_tuning(settings)
    warning = overlap(weights_of(settings["method"]), datamodule.corpus.name)
    if warning is not None:
        say(warning)
    kind: type[Learner] = get_class(config.method._target_)
    check_corpus_for(kind.needs, datamodule.corpus)  # others do not know the sizes of tokens
    method: Learner = instantiate(config.method, **datamodule.sizes)
    add_teacher(config, settings, datamodule, method.needs)
    datamodule.serve(method.needs)
    start, said = fine_tuning.start(method, settings, datamodule)
    for sentence in said:
        say(sentence)
    made_of = made_from(config, datamodule, start)
    if not config.overwrite:
        folder.check_data(made_of)
    trainer = build_trainer(config, settings, folder, datamodule, made_of)
    if trainer.world_size == 1:
        check_limits(settings["trainer"], datamodule)
    if is_first_rank():
        folder.claim(settings, config.overwrite, made_of)
    fit = partial(fit_network, trainer, config, folder, datamodule, made_of)
    with _released_by_mistakes(folder), _logged(trainer.loggers, settings):
        method.learn(datamodule, fit)
        if is_first_rank():
            stopped_by = trained = None
            if isinstance(method, Method):
                stopped_by = describe_stop(trainer)
                trained = amount_of_training(trainer, datamodule)
            if stopped_by == "trainer.max_time":
                stopped_by += f"={settings['trainer']['max_time']}"
            write_results(folder, datamodule, method, config.embedding_map, stopped_by, trained)


def continue_if_stopped(settings: dict[str, Any], folder: RunFolder) -> None:
    """Let a run go on that a limit of time has stopped, if that limit is another now."""
    if not is_first_rank():
        return
    stopped_by = json.loads(folder.metrics.read_text()).get("stopped_by") or ""
    name, _, limit = stopped_by.partition("=")
    now = settings["trainer"].get("max_time")
    if name == "trainer.max_time" and limit != str(now) and folder.last.is_file():
        folder.metrics.unlink()


@contextmanager
def _released_by_mistakes(folder: RunFolder) -> Iterator[None]:
    """Leave no folder of a run that was refused before its first epoch."""
    try:
        yield
    except (InputError, MisconfigurationException):
        if is_first_rank():
            folder.release()
        raise


@rank_zero_only
def draw_again(config: DictConfig, settings: dict[str, Any], folder: RunFolder, data: Data) -> None:
    """Draw another map of what a complete run has learnt, if it has learnt embeddings."""
    check_layout(config.embedding_map)
    method = trained(config, settings, folder) if folder.best.is_file() else None
    probe: OnlineProbe | None = getattr(method, "probe", None)
    if probe is None:
        raise InputError(
            f"embedding_map={config.embedding_map} draws what methods learn that learn embeddings, "
            f"and {config.name} is none; leave it out."
        )
    datamodule = data()
    test = probe.embedded(datamodule.batches("test"))
    draw_map(folder, datamodule.corpus, test, config.embedding_map)
    folder.note_embedding_map(config.embedding_map)


def trained(config: DictConfig, settings: dict[str, Any], folder: RunFolder) -> Method:
    """Load the method of this run; what its settings name was named by its user."""
    method, _ = load_method(folder.best, trusted=homes(settings["method"]))
    on_gpu = torch.cuda.is_available() and config.trainer.accelerator != "cpu"
    return method.to("cuda" if on_gpu else "cpu")


@rank_zero_only
def corrupt_and_test(
    config: DictConfig, settings: dict[str, Any], folder: RunFolder, data: Data
) -> None:
    """Test the trained network on corrupted sound, as far as that was not done before."""
    if not folder.best.is_file():
        raise InputError(f"corruption=... tests networks, and {config.name} is none; leave it out.")
    datamodule = data()
    method = trained(config, settings, folder)
    severities = chosen_severities(to_plain(config.severities))
    chosen = chosen_corruptions(to_plain(config.corruption), datamodule.corpus, severities)
    write_robustness(folder, datamodule, method, chosen, severities)


@rank_zero_only
def measure_baselines(config: DictConfig, folder: RunFolder, data: Data) -> None:
    """Measure simple baselines on the test clips of a complete run, unless that was done."""
    if not folder.predictions.is_file() or read_baselines(folder) is not None:
        return
    try:
        datamodule = data()
    except InputError as error:
        say(f"No comparison with simple baselines, because the data cannot be read: {error}")
        return
    own = HydraConfig.get().runtime.choices.get("baseline")
    if not in_a_sweep():
        say("Comparing with classifiers without a network (baselines=false leaves them out).")
    write_baselines(folder, datamodule, Path(config.data.cache).expanduser(), own)


@contextmanager
def _logged(loggers: Sequence[Logger], settings: dict[str, Any]) -> Iterator[None]:
    """Tell loggers the settings of a run, and at its end, whatever that is, how it ended."""
    for logger in loggers:
        logger.log_hyperparams(settings)
    try:
        yield
    except BaseException:
        for logger in loggers:
            logger.finalize("failed")
        raise
    for logger in loggers:
        logger.finalize("success")


def build_trainer(
    config: DictConfig,
    settings: dict[str, Any],
    folder: RunFolder,
    datamodule: SemiSupervisedDataModule,
    made_of: Mapping[str, str],
) -> pl.Trainer:
    """Build the trainer with what makes a run resumable, visible and self-contained."""
    logger = instantiate(config.logger) if config.logger else False
    node = config.trainer.copy()
    with open_dict(node):
        typed = node.pop("callbacks", None)
        node.pop("num_sanity_val_steps", None)  # 0 in any case
        node.precision = chosen_precision(node.get("precision", AUTO), node.accelerator)
    callbacks = [
        *([LearningRateMonitor("epoch")] if logger else []),
        StepSeed(config.seed),
        StopTogether(),
        CompiledNetworks(config.compile),
        History(folder.history),
        *([EpochProgress()] if node.get("enable_progress_bar", True) else []),
        *_typed_callbacks(typed),
        DescribeCheckpoint(settings, datamodule.corpus.classes, datamodule.sizes, made_of),
        *([Patience(config.select, config.patience)] if config.patience is not None else []),
        BestCheckpoint(folder.best, config.select),
        ResumeCheckpoint(folder.last),
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
    if trainer.world_size > 1 and in_a_sweep():
        raise InputError(
            f"a job of a sweep trains on one device, not on {trainer.world_size}; set "
            "trainer.devices=1, and launcher=joblib jobs=N to train N jobs at a time, or leave "
            "out -m and start each run by a command of its own."
        )
    return trainer


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
    folder: RunFolder,
    datamodule: SemiSupervisedDataModule,
    made_of: Mapping[str, str],
    method: Method,
) -> None:
    """Train to the last epoch, wherever the run stands; leave the method as its best epoch was."""
    resume = whole_checkpoint(folder, made_of)
    say(describe_training(config.name, method, trainer, datamodule.steps_per_epoch))
    device = trainer.strategy.root_device
    join_stack(trainer)
    with explain_lost_process(trainer):
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


@rank_zero_only
def say(text: object) -> None:
    """Print, on one of the processes of a run."""
    print(text)
