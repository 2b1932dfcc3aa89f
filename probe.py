"""Judge what an encoder has learnt, by probes of its embeddings: `python probe.py --help`."""

import os
import sys
from functools import cache, partial
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict

from musicssl.checkpoint import check_corpus_parts, describe
from musicssl.command_line import user_errors
from musicssl.composed import (
    do_job,
    in_a_sweep,
    output_folder,
    plain,
    resolved,
    settings_to_blame,
    typed,
)
from musicssl.corpus import Corpus, Dataset
from musicssl.embeddings.files import save_embeddings
from musicssl.errors import InputError
from musicssl.finetuning.fine_tune import FineTune
from musicssl.job import Outcome
from musicssl.overrides import check_kinds, override_errors
from musicssl.probes.folder import ProbeFolder
from musicssl.probes.run import Load, Plan, check_corruption, corrupt, probe_baseline, probe_source
from musicssl.probes.settings import (
    checked_baselines,
    checked_fractions,
    checked_seeds,
    embeddings_file,
    probe_folder,
    saved_to,
)
from musicssl.probes.source import (
    FileSource,
    Source,
    of_checkpoint,
    of_encoder,
    of_statistics,
    untrained,
)
from musicssl.probes.table import show_probe
from musicssl.robustness_results import chosen_severities
from musicssl.stopping import stops_kindly
from musicssl.worker import explained_loss

CONF = Path(__file__).resolve().parent / "conf"
OmegaConf.register_new_resolver("probe_folder", probe_folder, replace=True)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="probe")
def main(config: DictConfig) -> Outcome | None:
    """Embed a corpus, fit probes to few labels and to more, and test them."""
    folder = ProbeFolder(output_folder())
    return do_job(partial(run, config, folder), folder)


def run(config: DictConfig, folder: ProbeFolder) -> None:
    """Do all that was asked for and is still to be done, inside its folder.

    Raises:
        InputError: If the settings cannot be.
    """
    file = embeddings_file(config.embeddings)
    check_one_source(config, file)
    name_logger(config)
    if config.checkpoint is not None:
        bring_features(config)
    settings = resolved(config)
    with settings_to_blame(settings):
        _do(config, settings, folder, file)


def _do(
    config: DictConfig, settings: dict[str, Any], folder: ProbeFolder, file: Path | None
) -> None:
    check_kinds(settings, CONF, "probe", HydraConfig.get().overrides)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    dataset = find_dataset(config, settings)
    plan = make_plan(config, settings, dataset)
    load = cache(partial(read, dataset))  # of several things to be done, the first one reads it
    source = find_source(config, settings, file)
    corrupted = plain(config.corruption), chosen_severities(plain(config.severities))
    if config.corruption is not None:
        check_corruption(source, load, *corrupted)
    baselines = [
        probe_baseline(baseline, plan, Path(config.runs), load)
        for baseline in find_baselines(config, plan, source, load)
    ]
    probe_source(folder, source, plan, load, baselines)
    if (target := saved_to(config.embeddings)) is not None:
        embedded = source.embedded(load, plan.cache, plan.batch_size, plan.device)
        save_embeddings(target, embedded)
        print(f"Embeddings of {len(embedded.clip_ids):,} clips: {target}")
    if config.corruption is not None:
        corrupt(folder, source, plan, load, *corrupted)
    if config.logger:
        from musicssl.dashboard import log_probe  # wandb takes a second that few want to spend

        log_probe(folder.path, os.environ.get("WANDB_PROJECT", "musicssl"))
    if not in_a_sweep():
        show_probe(folder, baselines)


def check_one_source(config: DictConfig, file: Path | None) -> None:
    """Make sure that one thing is to be probed.

    Raises:
        InputError: If none is, or several are.
    """
    named = {"checkpoint": config.checkpoint, "embeddings": file, "encoder": config.encoder}
    given = [name for name, value in named.items() if value is not None]
    if len(given) != 1:
        what = " and ".join(f"{name}=..." for name in given) or "nothing"
        raise InputError(
            f"{what} was given to probe; name one of checkpoint=RUN/checkpoints/best.ckpt, "
            "embeddings=FILE and encoder=NAME (untrained)."
        )
    if config.checkpoint is None and file is None and config.dataset is None:
        raise InputError("encoder=... needs a corpus to be probed on; name one with dataset=...")


def name_logger(config: DictConfig) -> None:
    """Leave of the logger whether there is one: its settings are those of a training run.

    Raises:
        InputError: If it is none for probes.
    """
    name = HydraConfig.get().runtime.choices["logger"]
    if name not in ("none", "wandb"):
        raise InputError(f"logger={name} is none for probes; choose logger=wandb.")
    with open_dict(config):
        config.logger = name == "wandb"


def bring_features(config: DictConfig) -> None:
    """Let a checkpoint hear the features that it was trained on.

    Raises:
        InputError: If other ones were asked for, or they are none of musicssl's.
    """
    asked = [name for name in typed() if name.partition(".")[0] == "features"]
    if asked:
        raise InputError(f"{asked[0]}=... is for the checkpoint to say; leave it out.")
    made = describe(config.checkpoint).config
    check_corpus_parts(made["features"], config.checkpoint, config.trusted)
    with open_dict(config):
        OmegaConf.update(config, "features", made["features"], merge=False)
        if config.data.crop_seconds is None:
            config.data.crop_seconds = made["data"]["crop_seconds"]


def find_dataset(config: DictConfig, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Return the settings of the corpus: what was chosen, or that of the checkpoint.

    Raises:
        InputError: If the latter is none of musicssl's.
    """
    if config.dataset is not None or config.checkpoint is None:
        return settings["dataset"]
    dataset = dict(describe(config.checkpoint).config["dataset"])
    check_corpus_parts(dataset, config.checkpoint, config.trusted)
    places = {"cache": config.data.cache, "root": config.data.root}
    return dataset | {k: v for k, v in places.items() if k in dataset and v is not None}


def read(dataset: dict[str, Any]) -> Corpus:
    """Read a corpus.

    Raises:
        InputError: If nothing can be learnt from it.
    """
    built: Dataset = instantiate(dataset)
    built.prepare()
    return built.load()


def make_plan(config: DictConfig, settings: dict[str, Any], dataset: dict[str, Any] | None) -> Plan:
    """Read how embeddings are to be judged."""
    data = settings["data"]
    device = config.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return Plan(
        name=HydraConfig.get().runtime.choices["probe"],
        probe=instantiate(config.probe),
        fractions=checked_fractions(data["p_s"]),
        seeds=checked_seeds(config.seed, config.seeds),
        stratified=data["stratified"],
        val_fraction=data["val_fraction"],
        split_seed=data["split_seed"],
        batch_size=data["batch_size"],
        cache=Path(data["cache"]),
        device=torch.device(device),
        settings=settings,
        dataset=dataset,
        overwrite=config.overwrite,
    )


def find_source(config: DictConfig, settings: dict[str, Any], file: Path | None) -> Source:
    """Return what is to be probed."""
    if file is not None:
        return FileSource(file, has_labels=config.dataset is None)
    if config.checkpoint is not None:
        return of_checkpoint(Path(config.checkpoint).expanduser(), plain(config.trusted))
    name = HydraConfig.get().runtime.choices["encoder"]
    return of_encoder(instantiate(config.encoder), name, settings["encoder"], config.seed)


def find_baselines(config: DictConfig, plan: Plan, source: Source, load: Load) -> list[Source]:
    """Return what a source is compared with."""
    wanted = checked_baselines(plain(config.baselines))
    found: list[Source] = []
    if "untrained" in wanted and source.origin.kind == "checkpoint":
        path = Path(config.checkpoint).expanduser()
        found.append(untrained(path, config.seed, plain(config.trusted)))
    has_corpus = plan.dataset is not None
    if "log_mel" in wanted and has_corpus and not isinstance(plan.probe, FineTune):
        x = load().x
        found.append(of_statistics(None if isinstance(x, np.ndarray) else x.sample_rate))
    return found


if __name__ == "__main__":
    import probe  # by this name the workers of a sweep find it too

    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra shall leave mistakes to us
    with (
        user_errors(),
        stops_kindly("the sweep"),
        explained_loss(),
        override_errors(CONF, "probe", sys.argv[1:]),
    ):
        probe.main()
