"""The setting that a sweep over folds varies: each corpus has its own."""

import re
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, read_write

from musicssl.errors import InputError

_WRITTEN = "dataset.fold"  # in the files of conf/sweep
_OWN = "dataset.test_fold"  # of dataset=audio_folder, whose folds are named in a table
_PLAIN = re.compile(r"[\w.-]+")  # a value that Hydra needs no quotes for


def adapt_folds(config: DictConfig) -> None:
    """Let a sweep over `dataset.fold` vary the folds that the chosen corpus has.

    These are `dataset.fold` of esc10 and the like, `dataset.labels.fold` of embeddings whose labels
    come from such a corpus, and `dataset.test_fold` of audio_folder, with the folds of its table.

    Args:
        config: Configuration of the sweep; its axes are changed.

    Raises:
        InputError: If the corpus has no folds.
    """
    params = config.hydra.sweeper.get("params")
    if not params or _WRITTEN not in params or _chosen_by_jobs(config, params):
        return
    found = _axis(config)
    if found is None:
        return
    key, values = found
    with read_write(config):
        axes = OmegaConf.to_container(params, resolve=False)
        assert isinstance(axes, dict)
        typed = {override.partition("=")[0] for override in config.hydra.overrides.task}
        config.hydra.sweeper.params = {
            (key if axis == _WRITTEN else axis): (values or value if axis == _WRITTEN else value)
            for axis, value in axes.items()
            if axis != _WRITTEN or key not in typed
        }


def _chosen_by_jobs(config: DictConfig, params: DictConfig) -> bool:
    """Whether the corpus is one of the things that the sweep varies."""
    typed = [override.partition("=") for override in config.hydra.overrides.task]
    several = [key for key, _, value in typed if "," in value]
    choosing = ("dataset", "experiment", "dataset@dataset.labels")
    return any(key in choosing for key in [*params, *several])


def _axis(config: DictConfig) -> tuple[str, str | None] | None:
    """Return the setting and its values, None for those in the file; None if all is well."""
    dataset = config.dataset
    labels = dataset.get("labels")
    if "fold" in dataset:
        return None
    if OmegaConf.is_dict(labels) and "fold" in labels:
        return "dataset.labels.fold", None
    if "test_fold" in dataset:
        return _OWN, _names_of_folds(dataset)
    if OmegaConf.is_dict(labels) and "test_fold" in labels:
        return "dataset.labels.test_fold", _names_of_folds(labels)
    choices = config.hydra.runtime.choices
    raise InputError(
        f"sweep={choices.get('sweep')} tests on each fold in turn, and dataset="
        f"{choices['dataset']} has none; choose a corpus with folds, such as dataset=esc10, or for "
        "embeddings dataset@dataset.labels=esc10."
    )


def _names_of_folds(dataset: Any) -> str:
    """Return the folds in the table of an audio_folder, as a sweep writes them."""
    names = instantiate(dataset).folds
    if len(names) < 2:
        raise InputError(
            f"a sweep over folds needs two or more in the table {dataset.labels}, which has "
            f"{len(names)}; add a column fold, or name yours with dataset.columns.fold=NAME."
        )
    return ",".join(map(_as_typed, names))


def _as_typed(name: str) -> str:
    """Return a name as it is typed on the command line, in quotes if it needs them."""
    if _PLAIN.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
