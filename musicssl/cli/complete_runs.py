"""What `musicssl train` does with a complete run: checks it, draws again, tests and compares."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pytorch_lightning.utilities import rank_zero_only

from musicssl.cache import discard
from musicssl.cli.app import in_a_sweep, is_first_rank, say, to_plain
from musicssl.cli.run_data import Data, made_from
from musicssl.errors import InputError
from musicssl.figures.embedding_map import check_layout
from musicssl.methods.base.method import Method
from musicssl.methods.base.online_probe import OnlineProbe
from musicssl.runs.checkpoint import load_method
from musicssl.runs.folder import RunFolder
from musicssl.runs.trust import homes


def remove_damaged_result(folder: RunFolder) -> None:
    """Mark a run as unfinished if its result cannot be read, so that it is written again."""
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


def continue_if_stopped(settings: dict[str, Any], folder: RunFolder) -> None:
    """Let a run go on that a limit of time has stopped, if that limit is another now."""
    if not is_first_rank():
        return
    stopped_by = json.loads(folder.metrics.read_text()).get("stopped_by") or ""
    name, _, limit = stopped_by.partition("=")
    now = settings["trainer"].get("max_time")
    if name == "trainer.max_time" and limit != str(now) and folder.last.is_file():
        folder.metrics.unlink()


@rank_zero_only
def draw_again(config: DictConfig, settings: dict[str, Any], folder: RunFolder, data: Data) -> None:
    """Draw another map of what a complete run has learnt, if it has learnt embeddings."""
    from musicssl.runs.artifacts.embeddings import draw_map  # scikit-learn and SciPy

    check_layout(config.embedding_map)
    method = trained(config, settings, folder) if folder.best.is_file() else None
    probe: OnlineProbe | None = getattr(method, "probe", None)
    if probe is None:
        raise InputError(
            f"embedding_map={config.embedding_map} is for methods that learn embeddings, which "
            f"{config.name} does not; leave it out."
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
    from musicssl.runs.artifacts.robustness import (  # SciPy and figures
        chosen_corruptions,
        chosen_severities,
        write_robustness,
    )

    if not folder.best.is_file():
        raise InputError(
            f"corruption=... tests a network, and {config.name} has none; leave it out."
        )
    datamodule = data()
    method = trained(config, settings, folder)
    severities = chosen_severities(to_plain(config.severities))
    chosen = chosen_corruptions(
        to_plain(config.corruption), datamodule.corpus.sample_rate, severities
    )
    write_robustness(folder, datamodule, method, chosen, severities)


@rank_zero_only
def measure_baselines(config: DictConfig, folder: RunFolder, data: Data) -> None:
    """Measure simple baselines on the test clips of a complete run, unless that was done."""
    from musicssl.runs.baselines import (  # scikit-learn, half a second
        has_baselines,
        read_baselines,
        write_baselines,
    )

    if not folder.predictions.is_file() or read_baselines(folder) is not None:
        return
    try:
        datamodule = data()
    except InputError as error:
        say(f"No comparison with simple baselines, because the data cannot be read: {error}")
        return
    own = HydraConfig.get().runtime.choices.get("baseline")
    if has_baselines(datamodule, own) and not in_a_sweep():
        say("Comparing with classifiers without a network (baselines=false leaves them out).")
    write_baselines(folder, datamodule, Path(config.data.cache).expanduser(), own)
