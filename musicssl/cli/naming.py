"""The folder of a run, from the values of its settings, for `musicssl.cli.resolvers`.

`${run_name:}` and `${label:}` compare the composed configuration with the defaults that Hydra
composes for the same method and corpus.
"""

from collections.abc import Mapping
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from musicssl.cli.conf import composed, config_loader
from musicssl.runs.settings import (
    budget_label,
    flattened,
    folder_label,
    has_bearing,
    shortened,
    value_text,
)

_SUBJECTS = {"train": ("method", "baseline", "dataset"), "probe": ("probe", "dataset", "encoder")}
_IN_THE_PATH = {  # by themselves, or in files that name them
    "train": ("name", "seed", "data.p_s", "data.b_s"),
    "probe": (
        *("name", "checkpoint", "embeddings", "encoder.weights", "baselines", "data.batch_size"),
    ),
}
_NOT_NAMED = (
    *("logger", "launcher", "sweep", "experiment", "method", "baseline", "dataset", "probe"),
)
_OF_THE_RECIPE = ("experiment=", "finetune.", "name=", "loss=", "overwrite=", "sweep=")
_FIRST = ("unlabelled", "encoder", "features")  # their options set other groups too
_REMOVED = "~"


def run_name(*, _root_: DictConfig) -> str:
    """Return the folder of a run below `runs`: NAME/CORPUS/LABEL/BUDGET."""
    data = _root_.data
    budget = budget_label(data.p_s, data.b_s, _root_.seed)
    corpus = _hydra(_root_).runtime.choices["dataset"]
    parts = (_root_.name, corpus, label(_root_=_root_), budget)
    folders = "/".join(str(part) for part in parts if part).split("/")  # a name may have several
    return "/".join(map(shortened, folders))


def run_of(recipe: str) -> str:
    """Return the folder of the run that the same command leaves with another recipe.

    Args:
        recipe: The option of `experiment`.
    """
    overrides = HydraConfig.get().overrides
    words = [word for word in overrides.task if not word.startswith(_OF_THE_RECIPE)]
    search = [word for word in overrides.hydra if word.startswith("hydra.searchpath")]
    other = composed("train", *search, *words, f"experiment={recipe}")
    return f"{other.runs}/{run_name(_root_=other)}"


def label(*, _root_: DictConfig) -> str:
    """Return what tells a run or a probe from one with the defaults; see `folder_label`."""
    return folder_label(*_differing(_root_), _IN_THE_PATH[str(_hydra(_root_).job.config_name)])


def _hydra(config: DictConfig) -> Any:
    """Return Hydra's own settings, which it takes out of the configuration that a job is given."""
    return config.hydra if "hydra" in config else HydraConfig.get()


def _differing(config: DictConfig) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the options that are not the defaults, and the values that are not the options'."""
    hydra = _hydra(config)
    command, chosen = str(hydra.job.config_name), dict(hydra.runtime.choices)
    base = [word for word in hydra.overrides.hydra if word.startswith("hydra.searchpath")]
    usual = composed(command, *base).hydra.runtime.choices
    subjects = [group for group in _SUBJECTS[command] if chosen.get(group)]
    base += [f"{group}={chosen[group]}" for group in subjects if chosen[group] != usual.get(group)]
    named: dict[str, str] = {}
    for group in _groups(chosen):
        defaults = composed(command, *base)
        option = chosen[group]
        if not _is_made_of(config, group, option, command, base):
            option = _option_with_target(config, group, command, base) or option
        is_default = option == defaults.hydra.runtime.choices.get(group)
        if is_default or not _changed(config, defaults, f"{_section(group)}."):
            continue
        named[group] = option
        base.append(f"{group}={option}")
    return named, _changed(config, composed(command, *base))


def _groups(chosen: Mapping[str, Any]) -> list[str]:
    """Return the groups to name; those whose options set other groups too come first."""
    groups = [g for g in chosen if chosen[g] and "/" not in g and g not in _NOT_NAMED]
    return sorted(groups, key=lambda group: (group not in _FIRST, "@" in group, group))


def _section(group: str) -> str:
    return group.rpartition("@")[2]


def _is_made_of(config: DictConfig, group: str, option: Any, command: str, base: list[str]) -> bool:
    """Whether a section has the target that an option gives it; a typed target may be another."""
    other = composed(command, *base)
    if option != other.hydra.runtime.choices.get(group):
        other = composed(command, *base, f"{group}={option}")
    key = f"{_section(group)}._target_"
    return bool(OmegaConf.select(config, key) == OmegaConf.select(other, key))


def _option_with_target(
    config: DictConfig, group: str, command: str, base: list[str]
) -> str | None:
    """Return the option of a group that gives its section the target that was typed."""
    with config_loader() as loader:
        options = loader.get_group_options(group.partition("@")[0])
    found = (option for option in options if _is_made_of(config, group, option, command, base))
    return next(found, None)


def _changed(config: DictConfig, defaults: DictConfig, below: str = "") -> dict[str, Any]:
    """Return the settings whose values are not the defaults, by path.

    Sections that repeat others by interpolation are compared where they are defined.
    """
    ours, theirs = _leaves(config), _leaves(defaults)
    changed: dict[str, Any] = {}
    for key in sorted(ours.keys() | theirs.keys()):
        if not f"{key}.".startswith(below) or not has_bearing(key):
            continue
        if _text(ours, key) == _text(theirs, key):
            continue
        if key not in ours:
            if not any(other.startswith(f"{key}.") for other in ours):
                changed[f"{_REMOVED}{key}"] = None
            continue
        value = OmegaConf.select(config, key)
        if key not in theirs or value_text(value) != value_text(_value(config, key, theirs[key])):
            changed[key] = OmegaConf.to_object(value) if OmegaConf.is_config(value) else value
    return changed


def _leaves(config: DictConfig) -> dict[str, Any]:
    sections = OmegaConf.to_container(config, resolve=False)
    assert isinstance(sections, dict)
    return flattened({key: value for key, value in sections.items() if key != "hydra"})


def _text(leaves: Mapping[str, Any], key: str) -> str | None:
    return value_text(leaves[key]) if key in leaves else None


def _value(config: DictConfig, key: str, default: Any) -> Any:
    """Return a default as it would be in this configuration, whose values it may refer to."""
    if not isinstance(default, str) or "${" not in default:
        return default
    other = config.copy()
    OmegaConf.update(other, key, default, force_add=True)
    return OmegaConf.select(other, key)
