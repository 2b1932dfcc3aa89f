"""What `musicssl probe` does with a composed configuration: embed, fit probes, test, compare."""

import os
from collections.abc import Callable, Collection, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict

from musicssl.cli.app import (
    bring_rate,
    command_line_overrides,
    do_job,
    explain_invalid_settings,
    in_a_sweep,
    output_folder,
    resolved,
    to_plain,
    use_threads,
)
from musicssl.cli.checks import check_values
from musicssl.cli.composed_settings import check_kinds
from musicssl.cli.conf import conf_folder
from musicssl.cli.devices import device_named
from musicssl.cli.job import Outcome
from musicssl.cli.probe_settings import (
    check_one_source,
    checked_baselines,
    checked_fractions,
    checked_seeds,
    name_logger,
    saving_to,
)
from musicssl.cli.run_data import check_corruptions
from musicssl.data.checks import check_corpus
from musicssl.data.corpus import Corpus, Dataset
from musicssl.data.outline import outline_of
from musicssl.data.validation import check_list
from musicssl.datasets.formats.embeddings_file import check_embeddings_file, save_embeddings
from musicssl.errors import InputError
from musicssl.networks.time_summary import check_summary
from musicssl.probing.finetune import FineTune
from musicssl.probing.weighted_layers import WeightedLayers
from musicssl.runs.artifacts.robustness import chosen_severities
from musicssl.runs.checkpoint import Checkpoint
from musicssl.runs.pretrained import overlap, weights_of
from musicssl.runs.probes.comparison import compare_with
from musicssl.runs.probes.corruption import check_corruption, corrupt
from musicssl.runs.probes.encoder_source import drawn_network, of_encoder, of_statistics
from musicssl.runs.probes.file_source import EACH, FileSource
from musicssl.runs.probes.folder import ProbeFolder, embeddings_files
from musicssl.runs.probes.run import Plan, probe_baseline, probe_source
from musicssl.runs.probes.source import Load, Source, of_checkpoint, untrained
from musicssl.runs.probes.table import show_probe


def probe(config: DictConfig) -> Outcome | None:
    """Embed a corpus, fit probes to few labels and to more, and test them."""
    folder = ProbeFolder(output_folder())
    return do_job(partial(run, config, folder), folder)


def run(config: DictConfig, folder: ProbeFolder) -> None:
    """Do all that was asked for and is still to be done, inside its folder.

    Raises:
        InputError: If a setting is invalid.
    """
    files = embeddings_files(config.embeddings)
    check_one_source(config, files)
    name_logger(config)
    checkpoint = find_checkpoint(config)
    if checkpoint is not None:
        bring_features(config, checkpoint)
    bring_rate(config)
    settings = resolved(config)
    with explain_invalid_settings(settings):
        _do(config, settings, folder, files, checkpoint)


def _do(
    config: DictConfig,
    settings: dict[str, Any],
    folder: ProbeFolder,
    files: tuple[Path, ...],
    checkpoint: Checkpoint | None,
) -> None:
    check_kinds(settings, conf_folder(), "probe", HydraConfig.get().overrides)
    check_values(settings)
    use_threads(config.threads)
    target, wanted = saving_to(config), checked_baselines(to_plain(config.baselines))
    dataset = find_dataset(config, settings, checkpoint)
    plan = make_plan(config, settings, dataset)
    check_summary_for(config.summary, files, plan)
    if not plan.overwrite:
        folder.check({**settings, "dataset": dataset})
    build = cache(partial(built, dataset))
    load = cache(partial(read, build))  # of several things to be done, the first one reads it
    if not folder.is_complete or plan.overwrite:
        check_before_preparing(config, files, plan, build)
    source = find_source(config, settings, files, checkpoint, load)
    check_layers(plan, source)
    warn_of_overlap(settings, checkpoint, load)
    corrupted = to_plain(config.corruption), chosen_severities(to_plain(config.severities))
    if config.corruption is not None:
        check_corruption(source, load, *corrupted)
    was_complete = folder.is_complete
    scorer = probe_source(folder, source, plan, load)
    if was_complete and scorer is None and not in_a_sweep():
        print("This probe is complete; overwrite=true does it again.")
    baselines = [
        probe_baseline(baseline, plan, Path(config.runs), load)
        for baseline in find_baselines(wanted, config, plan, checkpoint, load)
    ]
    compare_with(folder, baselines)
    if target is not None:
        _save_embeddings(target, source, plan, load)
    if config.corruption is not None:
        corrupt(folder, source, plan, load, *corrupted, scorer)
    if config.logger:
        from musicssl.runs.dashboard import log_probe  # wandb takes a second that few want to spend

        log_probe(folder.path, os.environ.get("WANDB_PROJECT", "musicssl"))
    if not in_a_sweep():
        show_probe(folder, baselines)


def _save_embeddings(target: Path, source: Source, plan: Plan, load: Load) -> None:
    embedded = source.embedded(load, plan.cache, plan.batch_size, plan.device)
    names = () if source.layers is None else source.layers.names
    save_embeddings(target, plan.divided(embedded), names)
    print(f"Embeddings of {len(embedded.clip_ids):,} clips: {target}")


def find_checkpoint(config: DictConfig) -> Checkpoint | None:
    """Read the checkpoint that is to be probed; None if something else is.

    Raises:
        InputError: If the features are chosen, or the file is no checkpoint of musicssl.
    """
    if config.checkpoint is None:
        return None
    asked = [name for name in command_line_overrides() if name.partition(".")[0] == "features"]
    if asked:
        raise InputError(f"the checkpoint sets the features; leave out {asked[0]}=...")
    return Checkpoint.read(Path(config.checkpoint).expanduser())


def bring_features(config: DictConfig, checkpoint: Checkpoint) -> None:
    """Use the features and the crop length that a checkpoint was trained with.

    On its own corpus it validates on the clips that it validated on then.

    Raises:
        InputError: If its features are none of musicssl's.
    """
    features = checkpoint.corpus_parts("features", config.trusted)
    brought = []
    if is_its_own(config, checkpoint):
        brought = ["val_fraction", "split_seed"]
        if "val_list" in checkpoint.setting("data"):  # not in runs of earlier versions
            brought.append("val_list")
    with open_dict(config):
        OmegaConf.update(config, "features", features, merge=False)
        if config.data.crop_seconds is None:
            brought.append("crop_seconds")
        for name in brought:
            if f"data.{name}" not in command_line_overrides():
                config.data[name] = checkpoint.setting(f"data.{name}")


def is_its_own(config: DictConfig, checkpoint: Checkpoint) -> bool:
    """Return whether a checkpoint is probed on the corpus that it was trained on.

    Args:
        config: Configuration of the probe.
        checkpoint: Checkpoint that is probed.
    """
    own = checkpoint.setting("dataset._target_")
    return config.dataset is None or config.dataset._target_ == own


def check_summary_for(summary: Any, files: Sequence[Path], plan: Plan) -> None:
    """Check how a network's embeddings of a clip over time become one.

    Args:
        summary: The setting.
        files: Of embeddings, if they are probed.
        plan: How they are to be judged.

    Raises:
        InputError: If there is no such summary, or it would have no effect.
    """
    check_summary(summary, "summary")
    if summary != "mean" and files:
        raise InputError(
            f"summary={summary} has no effect on embeddings=FILE, whose embeddings are complete; "
            f"write the file with musicssl embed --summary {summary}, or leave it out."
        )
    if summary != "mean" and isinstance(plan.probe, FineTune):
        raise InputError(
            f"summary={summary} has no effect on probe=finetune, which trains on the mean over "
            "time; leave it out."
        )


def find_dataset(
    config: DictConfig, settings: dict[str, Any], checkpoint: Checkpoint | None
) -> dict[str, Any] | None:
    """Return the settings of the corpus: what was chosen, or that of the checkpoint.

    Raises:
        InputError: If the latter is none of musicssl's.
    """
    if config.dataset is not None or checkpoint is None:
        chosen: dict[str, Any] | None = settings["dataset"]
        return chosen
    dataset = dict(checkpoint.corpus_parts("dataset", config.trusted))
    places = {"cache": config.data.cache, "root": config.data.root}
    return dataset | {k: v for k, v in places.items() if k in dataset and v is not None}


def built(dataset: dict[str, Any] | None) -> Dataset | None:
    """Build a corpus without reading it; None if there is none."""
    return None if dataset is None else instantiate(dataset)


def read(build: Callable[[], Dataset | None]) -> Corpus:
    """Read a corpus.

    Raises:
        InputError: If there is none, or nothing can be learnt from it.
    """
    dataset = build()
    if dataset is None:
        raise InputError("this needs the clips themselves; name their corpus with dataset=...")
    dataset.prepare()
    return check_corpus(dataset.load())


def check_before_preparing(
    config: DictConfig,
    files: Sequence[Path],
    plan: Plan,
    build: Callable[[], Dataset | None],
) -> None:
    """Check what can be judged before the corpus is prepared, which may take hours.

    Args:
        config: Configuration of the probe.
        files: Of embeddings, if they are probed.
        plan: How they are to be judged.
        build: Builds the corpus.

    Raises:
        InputError: If a folder or file is missing, or the encoder or a corruption is not possible.
    """
    for file in files:
        check_embeddings_file(file)
    if not files and isinstance(plan.probe, WeightedLayers):
        raise _without_layers(f"{'checkpoint' if config.encoder is None else 'encoder'}=...")
    if plan.val_list is not None:
        check_list(plan.val_list)
    if plan.batch_size < 1:
        raise InputError(
            f"data.batch_size must be a whole number from 1 up, got {plan.batch_size}."
        )
    outline = outline_of(build())
    if outline is None:
        return
    outline.check_labels()
    if config.corruption is not None:
        check_corruptions(config, outline.sample_rate)
    if config.encoder is not None and (outline.is_sound or outline.num_features is not None):
        sizes = outline.num_features or 1, 1 if outline.is_sound else outline.num_instances
        try:
            network = drawn_network(instantiate(config.encoder), config.seed, *sizes)
        except InputError:
            raise
        except (ValueError, RuntimeError) as error:
            cause = str(error).splitlines()[0]
            raise InputError(f"the encoder cannot be built: {cause} (change encoder).") from error
        network.check_input(outline.is_sound)


def make_plan(config: DictConfig, settings: dict[str, Any], dataset: dict[str, Any] | None) -> Plan:
    """Read how embeddings are to be judged."""
    data = settings["data"]
    return Plan(
        name=HydraConfig.get().runtime.choices["probe"],
        probe=instantiate(config.probe),
        fractions=checked_fractions(data["p_s"]),
        seeds=checked_seeds(config.seed, config.seeds),
        stratified=data["stratified"],
        val_fraction=data["val_fraction"],
        split_seed=data["split_seed"],
        val_list=data["val_list"],
        batch_size=data["batch_size"],
        cache=Path(data["cache"]),
        device=device_named(config.device),
        settings=settings,
        dataset=dataset,
        overwrite=config.overwrite,
    )


def find_source(
    config: DictConfig,
    settings: dict[str, Any],
    files: tuple[Path, ...],
    checkpoint: Checkpoint | None,
    load: Load,
) -> Source:
    """Return what is to be probed."""
    if files:
        return FileSource(files, has_labels=config.dataset is None, layer=config.layers)
    if config.layers != EACH:
        raise InputError(
            f"layers={config.layers} chooses layers of embeddings=FILE; write such a file with "
            "musicssl embed --layers, or leave it out."
        )
    if checkpoint is not None:
        return of_checkpoint(checkpoint, to_plain(config.trusted)).summarised(config.summary)
    name = HydraConfig.get().runtime.choices["encoder"]
    encoder = instantiate(config.encoder)
    source = of_encoder(encoder, name, settings["encoder"], config.seed, load())
    return source.summarised(config.summary)


def check_layers(plan: Plan, source: Source) -> None:
    """Make sure that a probe of several layers gets some.

    Raises:
        InputError: If it does not.
    """
    if isinstance(plan.probe, WeightedLayers) and source.layers is None:
        raise _without_layers(source.origin.label)


def _without_layers(what: str) -> InputError:
    return InputError(
        f"probe=weighted_layers needs embeddings with layers, and {what} has none; write a file "
        "with musicssl embed --layers, or choose probe=linear."
    )


def warn_of_overlap(settings: dict[str, Any], checkpoint: Checkpoint | None, load: Load) -> None:
    """Print a warning if published weights were trained on the corpus that is probed."""
    made_by = settings["encoder"] if checkpoint is None else checkpoint.setting("method")
    weights = weights_of(made_by)
    warning = None if weights is None else overlap(weights, load().name)
    if warning is not None:
        print(warning)


def find_baselines(
    wanted: Collection[str],
    config: DictConfig,
    plan: Plan,
    checkpoint: Checkpoint | None,
    load: Load,
) -> list[Source]:
    """Return those of the wanted baselines that there can be."""
    found: list[Source] = []
    if "untrained" in wanted and checkpoint is not None:
        own = untrained(checkpoint, None, to_plain(config.trusted))
        found.append(own.summarised(config.summary))
    has_corpus = plan.dataset is not None
    if "log_mel" not in wanted or not has_corpus or isinstance(plan.probe, FineTune):
        return found
    if not load().is_tokens:
        found.append(of_statistics(load().sample_rate))
    return found
