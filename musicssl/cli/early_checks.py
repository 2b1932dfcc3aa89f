"""Mistakes in a run that are found before its corpus is prepared, which may take hours.

Each part of a run checks its own settings when it is built. So all parts are built here once, with
the sizes that the annotations of the corpus give, and are not used. This must happen before the
seed of the run is set, so that random numbers drawn here do not change the run.
"""

from pathlib import Path
from typing import Any

from hydra.utils import get_class, instantiate
from omegaconf import DictConfig

from musicssl.cli import fine_tuning
from musicssl.cli.fitting import check_trainer
from musicssl.cli.run_data import check_corruptions
from musicssl.cli.teaching import named_teacher
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import check_corpus_for, check_needs
from musicssl.data.outline import Outline
from musicssl.data.validation import check_list
from musicssl.errors import InputError
from musicssl.methods.base.learner import Learner
from musicssl.methods.base.method import Method
from musicssl.runs.checkpoint import check_checkpoint_file
from musicssl.runs.pretrained import hear_module
from musicssl.runs.starting import start_file


def check_before_preparing(
    config: DictConfig, settings: dict[str, Any], datamodule: SemiSupervisedDataModule
) -> None:
    """Check all that can be judged without the clips.

    Args:
        config: Configuration of the run.
        settings: The same, plain values.
        datamodule: Data module of the run, which has not read its corpus.

    Raises:
        InputError: If a folder or file is missing, or a setting is not possible.
        hydra.errors.InstantiationException: If a part refuses the values that it is built with.
    """
    kind: type[Learner] = get_class(config.method._target_)
    needs = kind.needs
    check_needs(needs, datamodule)
    named_teacher(settings, needs)
    fine_tuning.fine_tuning(settings)
    _check_files(settings)
    check_trainer(config)
    outline = datamodule.outline()
    if outline is None:
        return
    check_corpus_for(needs, outline)
    if config.corruption is not None:
        check_corruptions(config, outline.sample_rate)
    if outline.sizes is not None:
        _rehearse(config, settings, outline, outline.sizes)


def _check_files(settings: dict[str, Any]) -> None:
    checkpoint, val_list = settings["finetune"]["checkpoint"], settings["data"]["val_list"]
    if val_list is not None:
        check_list(val_list)
    if checkpoint is not None:
        check_checkpoint_file(start_file(Path(str(checkpoint)).expanduser()))


def _rehearse(
    config: DictConfig, settings: dict[str, Any], outline: Outline, sizes: dict[str, Any]
) -> None:
    """Build the method, and adapt it; start it from trained weights if all sizes are known."""
    node: Any = config.method
    of_hear = hear_module(settings["method"]) is not None
    if of_hear:  # frozen, it is loaded once, for the run too
        encoder = {**settings["method"]["encoder"], "trainable": False}
        node = {**settings["method"], "encoder": encoder}
    method: Learner = instantiate(node, **sizes)
    if config.continue_from is not None and not isinstance(method, Method):
        raise InputError(f"{config.name} trains no network; leave continue_from out.")
    if isinstance(method, Method):
        method.check_input(outline.is_sound)
    if outline.is_exact and outline.classes is not None:
        fine_tuning.start(method, settings, outline.classes, sizes)
    elif not of_hear:
        method.fine_tune(fine_tuning.fine_tuning(settings))
