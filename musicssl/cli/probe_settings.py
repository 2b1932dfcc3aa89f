"""Checks of the settings of a probe, before anything is read."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

from musicssl.cli.app import in_a_sweep
from musicssl.datasets.formats.embeddings_file import checked_suffix
from musicssl.errors import InputError, check_output

BASELINES = ("untrained", "log_mel")


def saved_to(embeddings: Any) -> Path | None:
    """Return the file that `embeddings.save=FILE` names; None without one."""
    file = embeddings.get("save") if isinstance(embeddings, Mapping) else None
    return None if file is None else Path(str(file)).expanduser()


def saving_to(config: DictConfig) -> Path | None:
    """Return the file that embeddings are to be saved to, if they are.

    Raises:
        InputError: If it has no suffix of ours, or jobs of a sweep would overwrite each other's.
    """
    target = saved_to(config.embeddings)
    if target is None:
        return None
    checked_suffix(target)
    check_output(target, "embeddings.save")
    if not target.parent.is_dir():
        raise InputError(f"embeddings.save={target}: there is no folder {target.parent}; make it.")
    if in_a_sweep():
        raise InputError(
            "embeddings.save=... is one file, which each job of a sweep would write; save "
            "embeddings of one checkpoint at a time, without -m."
        )
    return target


def check_one_source(config: DictConfig, files: Sequence[Path]) -> None:
    """Make sure that one thing is to be probed.

    Raises:
        InputError: If none is, or several are.
    """
    named = {
        "checkpoint": config.checkpoint,
        "embeddings": files or None,
        "encoder": config.encoder,
    }
    given = [name for name, value in named.items() if value is not None]
    if len(given) != 1:
        what = " and ".join(f"{name}=..." for name in given) or "nothing"
        raise InputError(
            f"{what} was given to probe; name one of checkpoint=RUN/checkpoints/best.ckpt, "
            "embeddings=FILE and encoder=NAME (untrained, or with encoder.weights)."
        )
    if config.checkpoint is None and not files and config.dataset is None:
        raise InputError("a probe of encoder=... needs a corpus; name one with dataset=...")


def name_logger(config: DictConfig) -> None:
    """Keep only whether there is a logger: its settings are those of a training run.

    Raises:
        InputError: If it does not work with probes.
    """
    name = HydraConfig.get().runtime.choices["logger"]
    if name not in ("none", "wandb"):
        raise InputError(f"logger={name} does not work with probes; choose logger=wandb or none.")
    with open_dict(config):
        config.logger = name == "wandb"


def checked_fractions(p_s: Any) -> tuple[float, ...]:
    """Return fractions of labels as they may be given, one number or several, ascending.

    Raises:
        InputError: If one is no number above 0 and at most 1.
    """
    given: Sequence[Any] = p_s if isinstance(p_s, list | tuple) else [p_s]
    for value in given:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value <= 1 or math.isnan(value):
            raise InputError(
                "data.p_s must be fractions of the labels above 0 and at most 1, such as "
                f"[0.01,0.1,1], got {value}."
            )
    if not given:
        raise InputError("data.p_s=[] leaves nothing to probe with; name a fraction of the labels.")
    return tuple(sorted({float(value) for value in given}))


def checked_seeds(seed: Any, seeds: Any) -> tuple[int, ...]:
    """Return the seeds of the draws of labelled clips.

    Args:
        seed: The first.
        seeds: How many.

    Raises:
        InputError: If that is not at least one.
    """
    if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
        raise InputError(f"seeds must be a whole number of draws, at least 1, got {seeds}.")
    if not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed must be a whole number from 0 up, got {seed}.")
    return tuple(range(seed, seed + seeds))


def checked_baselines(names: Any) -> tuple[str, ...]:
    """Return what is probed for comparison.

    Raises:
        InputError: If there is no such baseline.
    """
    given = [names] if isinstance(names, str) else list(names or [])
    for name in given:
        if name not in BASELINES:
            choices = ",".join(BASELINES)
            raise InputError(f"there is no baseline {name!r}; choose of baselines=[{choices}].")
    return tuple(dict.fromkeys(given))
