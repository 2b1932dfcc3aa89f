"""Settings that nothing can be trained with, found before training starts.

Lightning, NumPy and torch would refuse them with a traceback, some of them after the first epoch.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from hydra.utils import instantiate

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.evaluation.metrics import metric_info
from musicssl.evaluation.predictions import Predictions, measure
from musicssl.runs.precision import PRECISIONS
from musicssl.runs.resume import LAST
from musicssl.runs.settings import flattened, value_text
from musicssl.schedules import bound_to

_LARGEST_SEED = 2**32 - 1  # of Lightning and NumPy
_MOST_REPEATS = 10  # of a training clip in one batch
_REFUSED = {  # settings of the trainer: values that do nothing, and what to do instead of others
    "logger": ((None, False), "choose logger=csv or logger=wandb"),
    "fast_dev_run": ((None, False, 0), "trainer=debug trains two short epochs"),
    "plugins": ((None,), "settings such as trainer.precision choose them"),
    "barebones": ((None, False), "leave it out"),
    "overfit_batches": ((None, 0, 0.0), "use +trainer.limit_train_batches=NUMBER"),
    "num_sanity_val_steps": ((None, 0), "trainer=debug trains and validates two short epochs"),
    "enable_checkpointing": ((None, True), "a run always keeps its best and its last epoch"),
    "default_root_dir": ((), "hydra.run.dir=FOLDER names the folder of the run"),
    "log_every_n_steps": ((), "methods log once an epoch"),
    "use_distributed_sampler": ((), "each process draws its own batches"),
}


def check_values(settings: Mapping[str, Any]) -> None:
    """Check seeds, the trainer, the optimizer and its schedule by their values alone.

    Args:
        settings: Settings of a run or a probe, plain values.

    Raises:
        InputError: If one of them cannot be used.
    """
    for key, value in flattened(settings).items():
        place, _, last = key.rpartition(".")
        if last in ("seed", "split_seed"):
            _check_seed(key, value)
        if place.rpartition(".")[2] in ("seed", "split_seed"):
            _check_seed(place, {last: value})
        if last == "_partial_" and not isinstance(value, bool):
            raise InputError(f"{key} cannot be set, got {value_text(value)}; leave it out.")
    for key in ("name", "runs", "continue_from"):
        if isinstance(settings.get(key), list | dict):
            raise InputError(f"{key} must be a word, got {value_text(settings[key])}.")
    data = settings.get("data")
    listed = data.get("val_list") if isinstance(data, dict) else None
    for key, value in (("continue_from", settings.get("continue_from")), ("data.val_list", listed)):
        if value is not None and not isinstance(value, str):
            raise InputError(f"{key} must be a path, got {value_text(value)}.")
    for key in ("data", "finetune"):
        if key in settings and not isinstance(settings[key], dict):
            raise InputError(f"{key} holds several settings; change one, {key}.NAME=VALUE.")
    for key in ("dataset", "unlabelled"):
        value = (settings.get("data") or {}).get(key)
        if value is not None and not isinstance(value, dict):
            raise InputError(
                f"data.{key}={value_text(value)} is no corpus; choose one with {key}=NAME."
            )
    if "trainer" in settings:
        _check_trainer(settings["trainer"])
    _count(settings, "patience", 1, place="")
    if "select" in settings:
        _check_select(settings["select"], settings.get("patience"))
    if (settings.get("method") or {}).get("optimizer") is not None:
        _check_optimizer(settings)


def _check_select(select: Any, patience: Any) -> None:
    if not isinstance(select, str):
        raise InputError(
            f"select must be last, or the name of a metric such as val/loss, got {select}."
        )
    if select != LAST and not select.startswith("val/"):
        raise InputError(f"select must be last, or begin with val/ as val/loss does, got {select}.")
    if select == LAST and patience is not None:
        raise InputError(
            f"patience={patience} needs a metric to compare epochs by; add select=val/auroc or "
            "select=val/loss."
        )


def _check_seed(key: str, value: Any) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    optional = value is None and key != "seed"
    if not optional and not (whole and 0 <= value <= _LARGEST_SEED):
        raise InputError(
            f"{key} must be a whole number from 0 to {_LARGEST_SEED}, got {value_text(value)}."
        )


def _check_trainer(trainer: Any) -> None:
    if not isinstance(trainer, Mapping):
        raise InputError("trainer=... must be one of auto, cpu, ddp, debug and gpu.")
    for name, (neutral, cure) in _REFUSED.items():
        if name in trainer and trainer[name] not in neutral:
            raise InputError(
                f"trainer.{name}={value_text(trainer[name])} cannot be used; leave it out ({cure})."
            )
    precision = trainer.get("precision")
    if precision is not None and str(precision) not in PRECISIONS:
        raise InputError(
            f"trainer.precision={value_text(precision)} cannot be used, for targets and metrics "
            "are 32-bit numbers; choose auto, 32-true, 16-mixed or bf16-mixed."
        )
    if any(word in str(trainer.get("strategy")) for word in ("spawn", "fork", "notebook")):
        raise InputError(
            f"trainer.strategy={trainer['strategy']} cannot hand a run to other processes; choose "
            "trainer=ddp, or +trainer.strategy=ddp."
        )
    _check_amount_of_training(trainer)
    if _count(trainer, "accumulate_grad_batches", 1) is None:
        raise InputError(
            "trainer.accumulate_grad_batches must be a whole number from 1 up, got null."
        )
    clip = trainer.get("gradient_clip_val")
    if clip is not None and not (_is_number(clip) and clip >= 0):
        raise InputError(
            f"trainer.gradient_clip_val must be a number from 0 up, or null, got {clip}."
        )


def _check_amount_of_training(trainer: Mapping[str, Any]) -> None:
    epochs = _count(trainer, "max_epochs", 1)
    steps = None if trainer.get("max_steps") == -1 else _count(trainer, "max_steps", 1)
    if epochs is None and steps is None:
        raise InputError(
            "training would never end; give trainer.max_steps or trainer.max_epochs, a whole "
            "number from 1 up."
        )
    least = _count(trainer, "min_steps", 0)
    if least is not None and steps is not None and least > steps:
        raise InputError(
            f"trainer.min_steps={least} is more than trainer.max_steps={steps}; lower it."
        )
    validated = _count(trainer, "check_val_every_n_epoch", 1) or 1
    if epochs is not None and validated > epochs:
        raise InputError(
            f"trainer.check_val_every_n_epoch={validated} with trainer.max_epochs={epochs}: no "
            "epoch would be validated; lower the first or raise the second."
        )


def _check_optimizer(settings: Mapping[str, Any]) -> None:
    """Build the optimizer and its schedule as a method will, for one parameter."""
    method = settings["method"]
    try:
        instantiate(method["optimizer"])([torch.nn.Parameter(torch.zeros(1))])
    except (ValueError, TypeError, RuntimeError) as error:
        if "unexpected keyword argument" in str(error):
            raise
        raise InputError(_not_callable("optimizer", error)) from error
    try:
        if "schedule" in method:
            float(bound_to(1.0, instantiate(method["schedule"]))(0.5))
    except (ValueError, TypeError, ArithmeticError) as error:
        if "unexpected keyword argument" in str(error):
            raise
        raise InputError(_not_callable("schedule", error)) from error


def _not_callable(part: str, error: Exception) -> str:
    line = str(error.__cause__ or error).splitlines()[0]
    return f"the {part} refuses its settings: {line} (change {part}.NAME=VALUE)."


def check_limits(trainer: Mapping[str, Any], datamodule: SemiSupervisedDataModule) -> None:
    """Check that limits of the trainer leave something to train and to validate in an epoch.

    Args:
        trainer: Its settings, plain values; of a run on one device.
        datamodule: Data module that is trained with.

    Raises:
        InputError: If they do not.
    """
    batches = datamodule.steps_per_epoch
    steps = _limited(trainer, "limit_train_batches", batches)
    _limited(trainer, "limit_val_batches", len(datamodule.val_dataloader()))
    interval = trainer.get("val_check_interval")
    if isinstance(interval, int | float) and not isinstance(interval, bool):
        most = steps if isinstance(interval, int) else 1.0
        if not 0 < interval <= most:
            raise InputError(
                f"+trainer.val_check_interval={interval} is not within an epoch of {steps} steps; "
                f"give a whole number from 1 to {steps}, or a fraction up to 1.0."
            )
    every = trainer.get("check_val_every_n_epoch") or 1
    epoch = math.ceil(steps / trainer.get("accumulate_grad_batches", 1))
    least = epoch * every
    most_steps = trainer.get("max_steps")
    if trainer.get("max_epochs") is None and isinstance(most_steps, int) and most_steps % least:
        lower = most_steps - most_steps % least
        choices = f"{lower} or {lower + least}" if lower else str(least)
        raise InputError(
            f"trainer.max_steps={most_steps} is no multiple of {least}, the steps from one "
            f"validation to the next, so the last steps would not count; set it to {choices}, or "
            "change data.steps_per_epoch."
        )
    if isinstance(most_steps, int) and -1 != most_steps < least:
        raise InputError(
            f"trainer.max_steps={most_steps} ends training before an epoch is validated, after "
            f"{least} steps; raise it to {least} at least, or leave it out."
        )


def _limited(trainer: Mapping[str, Any], name: str, total: int) -> int:
    """Return how many of the batches of an epoch a limit leaves, at least one."""
    value = trainer.get(name)
    if value is None:
        return total
    fraction = isinstance(value, float)
    valid = _is_number(value) and value >= 0 and not (fraction and value > 1)
    if not valid:
        raise InputError(
            f"+trainer.{name} must be a whole number of batches, or a fraction such as 0.5, got "
            f"{value_text(value)}."
        )
    left = int(total * value) if fraction else min(total, value)
    if left == 0:
        raise InputError(
            f"+trainer.{name}={value} leaves none of {total} batches, so that no epoch would be "
            "trained and validated; raise it, or leave it out."
        )
    return left


def check_batch_size(datamodule: SemiSupervisedDataModule) -> None:
    """Refuse batches in which each training clip would be repeated many times.

    Raises:
        InputError: If so.
    """
    clips, size = len(datamodule.training_rows()), datamodule.batch_size
    if size > _MOST_REPEATS * clips:
        raise InputError(
            f"data.batch_size={size} would hold each of the {clips:,} training clips "
            f"{size // clips:,} times; set it to {clips} or less."
        )


def check_selection(select: str, datamodule: SemiSupervisedDataModule) -> None:
    """Check that the validation labels determine the metric by which an epoch is kept.

    Args:
        select: Name of the metric, such as "val/auroc", or "last".
        datamodule: Data module of the run.

    Raises:
        InputError: If it is undefined whatever the scores are.
    """
    if select == LAST:
        return
    corpus, rows = datamodule.corpus, datamodule.rows("val")
    y, mask = (tensor.numpy() for tensor in datamodule.labels("val"))
    ids = corpus.clip_ids[rows]
    any_scores = Predictions(corpus.classes, ids, y, y, mask, corpus.task)
    means = measure(any_scores, corpus.credit).macro
    name = select.rpartition("/")[2]
    if math.isnan(means.get(name, 0.0)):
        raise InputError(
            f"select={select}: {metric_info(name).heading} cannot be computed on the validation "
            f"split, in which no class has clips with it and clips without it "
            f"(classes: {_first(corpus.classes)}); choose select=val/loss, or label other "
            "validation clips."
        )


def _first(names: tuple[str, ...], most: int = 5) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _count(
    section: Mapping[str, Any], name: str, least: int, place: str = "trainer."
) -> int | None:
    value = section.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(
            f"{place}{name} must be a whole number from {least} up, got {value_text(value)}."
        )
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
