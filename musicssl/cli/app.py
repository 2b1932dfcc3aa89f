"""What a command reads from the configuration that Hydra composed, and how it does its job."""

import logging
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from hydra.utils import get_class
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, MissingMandatoryValue, OmegaConf
from pytorch_lightning.utilities import rank_zero_only

from musicssl.cli.composed_settings import check_parts, check_removed
from musicssl.cli.exits import graceful_exit
from musicssl.cli.job import Outcome, attempt
from musicssl.cli.sweep import jobs_at_a_time
from musicssl.errors import InputError, disk_errors, user_errors
from musicssl.runs.folder import ResultFolder, claimed
from musicssl.runs.preemption import preemption

_WRONG_CALL = re.compile(r"\(\) (got an? |missing |takes )")  # how Python says so


def in_a_sweep() -> bool:
    """Return whether this run is one of several, whose tables would fill the screen."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def is_first_rank() -> bool:
    """Whether this process is the one of a distributed run that prints and writes."""
    rank: int = rank_zero_only.rank  # type: ignore[attr-defined]
    return rank == 0


@rank_zero_only
def say(text: object) -> None:
    """Print, on one of the processes of a run."""
    print(text)


def output_folder() -> Path:
    """Return the folder that the settings name."""
    return Path(HydraConfig.get().runtime.output_dir)


def do_job(work: Callable[[], None], folder: ResultFolder) -> Outcome | None:
    """Run a command in its folder, which is locked until the command ends.

    Args:
        work: To be done.
        folder: Where.

    Returns:
        What became of it, if it is a job of a sweep; else a mistake ends the process.
    """
    preemption.install()
    runs = Path(HydraConfig.get().sweep.dir)
    if in_a_sweep():
        logging.getLogger("musicssl.figures").setLevel(logging.ERROR)  # remarks on single pictures
        return attempt(work, folder, jobs_at_a_time(HydraConfig.get().launcher) > 1, runs)
    with (
        user_errors(),
        graceful_exit(str(folder.path)),
        disk_errors(folder.path, "runs=FOLDER"),
        claimed(folder.path, top=runs) if is_first_rank() else nullcontext(),
    ):
        work()
    return None


def to_plain(node: Any) -> Any:
    """Return lists and dicts instead of Hydra's."""
    return OmegaConf.to_container(node) if OmegaConf.is_config(node) else node


def command_line_overrides() -> set[str]:
    """Return the settings that the command line names."""
    return {override.partition("=")[0] for override in HydraConfig.get().overrides.task}


def resolved(config: DictConfig) -> dict[str, Any]:
    """Return the configuration as plain values, all interpolations resolved.

    Raises:
        InputError: If something has no default and was not given, or was removed.
    """
    check_removed(HydraConfig.get().overrides.task)
    if config.dataset is not None and "root" in config.dataset and config.dataset.root is None:
        choice = HydraConfig.get().runtime.choices["dataset"]
        raise InputError(f"dataset={choice} is read from files; type data.root=FOLDER.")
    try:
        settings = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise InputError(f"{error.full_key} has no default; type {error.full_key}=...") from error
    assert isinstance(settings, dict)
    return {str(key): value for key, value in settings.items()}


def bring_rate(config: DictConfig) -> None:
    """Let an encoder say which sample rate it reads, where nobody else does.

    Raises:
        InputError: If it cannot be built to be asked.
    """
    features, encoder = config.get("features"), config.get("encoder")
    if encoder is None or features is None or features.get("sample_rate", 0) is not None:
        return
    called = get_class(str(encoder.get("_target_")))
    if hasattr(called, "rate_of"):
        features.sample_rate = called.rate_of(encoder.module, encoder.weights)


def use_threads(threads: int | None) -> None:
    """Set the number of CPU threads of torch; None changes nothing.

    Raises:
        InputError: If that is not at least one.
    """
    if threads is None:
        return
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
        raise InputError(f"threads must be a whole number from 1 up, or null, got {threads}.")
    torch.set_num_threads(threads)


@contextmanager
def explain_invalid_settings(settings: dict[str, Any]) -> Iterator[None]:
    """Name the settings to change if a part refuses the values that it is built with.

    Raises:
        InputError: If it did.
    """
    choices = HydraConfig.get().runtime.choices
    try:
        yield
    except TypeError as error:
        check_parts(error, settings, choices)
        raise
    except InstantiationException as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from error
        check_parts(error.__cause__, settings, choices)
        place = str(error).rpartition("full_key: ")[2].splitlines()[0]
        if isinstance(error.__cause__, ValueError | MisconfigurationException):
            raise InputError(f"{error.__cause__} (mend {place})") from error
        typed = _typed_for(place, settings)
        if typed and is_refusal(error.__cause__):
            cause = str(error.__cause__).splitlines()[0] if str(error.__cause__) else "no reason"
            raise InputError(
                f"{place} cannot be built with {typed} ({type(error.__cause__).__name__}: {cause})."
            ) from error
        raise
    except MisconfigurationException as error:
        lines = str(error).splitlines() or ["no reason"]
        raise InputError(f"{lines[0]} (Lightning says so; change trainer.NAME=VALUE)") from error


def is_refusal(error: BaseException | None) -> bool:
    """Whether a part refused the values that it was built with.

    The call itself did, or its constructor with methods of its own, or a library that it handed
    them to. What is raised anywhere else in musicssl is a defect, and so is a call by musicssl with
    wrong arguments.
    """
    if error is None or error.__traceback__ is None:
        return False
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    frame = frames[-1]
    if str(frame.f_globals.get("__name__")).partition(".")[0] != "musicssl":
        return True
    if isinstance(error, TypeError) and _WRONG_CALL.search(str(error)):
        return False
    being_built = [f for f in frames if f.f_code.co_name in ("__init__", "__post_init__")]
    part = frame.f_locals.get("self")
    return part is not None and any(f.f_locals.get("self") is part for f in being_built)


def _typed_for(place: str, settings: Mapping[str, Any]) -> str | None:
    """Return the first override of the command line that sets a value of a part.

    Args:
        place: Path of the part in the settings. A method is built with others, such as its encoder,
            whose settings are elsewhere.
        settings: Settings of the run, plain values.
    """
    section = place.rpartition(".")[2]
    node = settings.get(section)
    sections = [section, *(node if isinstance(node, Mapping) else ())]
    overrides: list[str] = list(HydraConfig.get().overrides.task)
    return next((o for o in overrides if o.lstrip("+~").partition(".")[0] in sections), None)
