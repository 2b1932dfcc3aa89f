"""What `musicssl train` does with a composed configuration: train, test and show a run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_class, instantiate
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger

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
    say,
    use_threads,
)
from musicssl.cli.checks import check_batch_size, check_limits, check_selection, check_values
from musicssl.cli.complete_runs import (
    check_data_of_complete,
    continue_if_stopped,
    corrupt_and_test,
    draw_again,
    measure_baselines,
    remove_damaged_result,
)
from musicssl.cli.composed_settings import check_corpus_files, check_kinds, check_use
from musicssl.cli.conf import conf_folder
from musicssl.cli.early_checks import check_before_preparing
from musicssl.cli.fitting import build_trainer, fit_network
from musicssl.cli.job import Outcome
from musicssl.cli.run_data import Data, build_datamodule, load_data, made_from
from musicssl.cli.teaching import add_teacher
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import check_corpus_for
from musicssl.errors import InputError
from musicssl.figures.embedding_map import check_layout
from musicssl.methods.base.learner import Learner
from musicssl.methods.base.method import Method
from musicssl.runs.artifacts.artifact import artifacts_of
from musicssl.runs.compilation import check_compile, keep_compiled
from musicssl.runs.folder import RunFolder
from musicssl.runs.messages import describe_data, describe_stop
from musicssl.runs.pretrained import overlap, weights_of


def train(config: DictConfig) -> Outcome | None:
    """Train, or continue an interrupted run, then test; a complete run is only shown."""
    folder = RunFolder(output_folder())
    return do_job(partial(run, config, folder), folder)


def run(config: DictConfig, folder: RunFolder) -> None:
    """Do all that a run consists of and that is still to be done, inside its folder.

    Raises:
        InputError: If a setting is invalid.
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
        check_corpus_files(settings, HydraConfig.get().overrides.task)
    get_class(config.method._target_)  # its module may add metrics, also for runs that are complete
    use_threads(config.threads)
    if isinstance(config.data.cache, str):
        keep_compiled(Path(config.data.cache).expanduser() / "compiled")
    build = cache(partial(build_datamodule, config))
    data = cache(partial(load_data, config, build))  # what is done first reads it
    if not complete:
        check_before_preparing(config, settings, build())
    pl.seed_everything(config.seed, verbose=False)
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
        from musicssl.runs.results import show_results  # draws, which training need not wait for

        name = str(config.name) if config.baselines else None
        show_results(folder, artifacts_of(get_class(config.method._target_)), name)


def train_and_test(
    config: DictConfig, settings: dict[str, Any], folder: RunFolder, data: Data
) -> None:
    """Train a method and leave its results in the folder."""
    check_layout(config.embedding_map)
    datamodule = data()
    check_batch_size(datamodule)
    check_selection(config.select, datamodule)
    say(describe_data(datamodule))
    fine_tuning.fine_tuning(settings)
    warning = overlap(weights_of(settings["method"]), datamodule.corpus.name)
    if warning is not None:
        say(warning)
    kind: type[Learner] = get_class(config.method._target_)
    check_corpus_for(kind.needs, datamodule.corpus)  # others do not know the sizes of tokens
    method: Learner = instantiate(config.method, **datamodule.sizes)
    if config.continue_from is not None and not isinstance(method, Method):
        raise InputError(f"{config.name} trains no network; leave continue_from out.")
    add_teacher(config, settings, datamodule, method.needs)
    datamodule.serve(method.needs)
    classes, sizes = datamodule.corpus.classes, datamodule.sizes
    start, said = fine_tuning.start(method, settings, classes, sizes)
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
    fit = partial(fit_network, trainer, config, settings, folder, datamodule, made_of)
    with _released_by_mistakes(folder), _logged(trainer.loggers, settings):
        method.learn(datamodule, fit)
        if is_first_rank():
            _write_results(config, folder, datamodule, method, trainer)


def _write_results(
    config: DictConfig,
    folder: RunFolder,
    datamodule: SemiSupervisedDataModule,
    method: Learner,
    trainer: pl.Trainer,
) -> None:
    from musicssl.runs.results import amount_of_training, write_results  # draws, as above

    stopped_by = trained = None
    if isinstance(method, Method):
        stopped_by = describe_stop(trainer)
        trained = amount_of_training(trainer, datamodule)
    if stopped_by == "trainer.max_time":
        stopped_by += f"={config.trainer.max_time}"
    write_results(folder, datamodule, method, config.embedding_map, stopped_by, trained)


@contextmanager
def _released_by_mistakes(folder: RunFolder) -> Iterator[None]:
    """Leave no folder of a run that was refused before its first epoch."""
    try:
        yield
    except (InputError, MisconfigurationException):
        if is_first_rank():
            folder.release()
        raise


@contextmanager
def _logged(loggers: Sequence[Logger], settings: dict[str, Any]) -> Iterator[None]:
    """Pass the settings of a run to loggers, and at its end how it ended."""
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
