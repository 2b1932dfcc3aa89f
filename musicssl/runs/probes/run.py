"""One probe from its plan to its folder: embed, draw labels, fit, test, also under corruptions."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from musicssl.data.checks import learnable
from musicssl.data.corpus import Corpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError, printable
from musicssl.evaluation.predictions import Scorer
from musicssl.evaluation.robustness_table import read_robustness
from musicssl.probing.finetune import FineTune
from musicssl.probing.linear import varying
from musicssl.probing.weighted_layers import WeightedLayers
from musicssl.runs.artifacts.robustness import chosen_corruptions, write_robustness
from musicssl.runs.folder import claimed
from musicssl.runs.probes.folder import ProbeFolder
from musicssl.runs.probes.layers import LayerTrials, fit_each_layer
from musicssl.runs.probes.plan import Plan
from musicssl.runs.probes.results import Probed, write_probe
from musicssl.runs.probes.source import FileSource, Load, NetworkSource, Source
from musicssl.runs.probes.trials import draws, fit


def probe_source(folder: ProbeFolder, source: Source, plan: Plan, load: Load) -> Scorer | None:
    """Probe a source, unless the folder has its results.

    Args:
        folder: For the results; those of anything else in it go.
        source: Of the embeddings.
        plan: How they are judged.
        load: Reads the corpus.

    Returns:
        What scores clips by the most labels, of the first draw; None if nothing was fitted, or
        there is no network.

    Raises:
        InputError: If all clips have the same embedding.
    """
    corpus = None if isinstance(source, FileSource) and source.has_labels else load()
    made_of = plan.made_of(source, corpus)
    if folder.holds(made_of) and not plan.overwrite:
        return None
    if isinstance(plan.probe, FineTune):
        _ = source.encoder  # says now, not after everything is embedded, if there is none
    Console(stderr=True).print(
        printable(f"probing {source.origin.label}"), highlight=False, markup=False
    )
    embedded = source.embedded(load, plan.cache, plan.batch_size, plan.device)
    dim = _checked_dim(source, embedded)
    datamodule = plan.datamodule(embedded)
    _check_test_labels(datamodule)
    drawn = draws(datamodule, plan.fractions, plan.seeds, plan.stratified)
    layers: LayerTrials | None = None
    scorers: list[Scorer] = []
    if source.layers is None or isinstance(plan.probe, FineTune | WeightedLayers):
        trials, scorers = fit(source, plan, load, datamodule, drawn)
        layers = None if source.layers is None else LayerTrials(source.layers.names, [])
    else:
        trials, layers = fit_each_layer(plan.probe, source.layers, datamodule, drawn, plan.device)
    settings = {**plan.settings, "dataset": plan.dataset, **source.settings}
    probed = Probed(source.origin, dim, plan.name, settings, made_of)
    write_probe(folder, probed, datamodule, trials, layers)
    most = next(i for i, draw in enumerate(drawn) if draw.p_s == plan.fractions[-1])
    return scorers[most] if scorers else None


def probe_baseline(source: Source, plan: Plan, runs: Path, load: Load) -> ProbeFolder:
    """Probe what others are compared with, unless that was done; return its folder.

    Jobs that want the same one wait for the first of them. It is never overwritten: its folder is
    named by all that it follows from.

    Args:
        source: To be probed.
        plan: How.
        runs: Folder of all runs.
        load: Reads the corpus.

    Raises:
        InputError: If it cannot be probed.
    """
    corpus = load()
    place = runs / "probes" / source.origin.name / corpus.name / plan.name
    folder = ProbeFolder(place / plan.made_of(source, corpus))
    with claimed(folder.path, wait=True):
        try:
            probe_source(folder, source, replace(plan, overwrite=False), load)
        except InputError as error:
            raise InputError(
                f"the baseline {source.origin.label!r} cannot be probed: {error} "
                "(baselines=[] leaves baselines out)"
            ) from error
    return folder


def _check_test_labels(datamodule: SemiSupervisedDataModule) -> None:
    """Refuse a test split that no ranking can be measured on.

    Raises:
        InputError: If no class of its clips is observed with both values.
    """
    corpus = datamodule.corpus
    y, mask = (tensor.numpy() for tensor in datamodule.labels("test"))
    if not learnable(y, mask, corpus.task).any():
        raise InputError(
            f"{corpus.name}: no class has test clips with it and test clips without it, so that "
            "probes cannot be compared; label other test clips, or move clips into the test split."
        )


def _checked_dim(source: Source, embedded: Corpus) -> int:
    """Return the size of the embeddings, D.

    Raises:
        InputError: If all clips have the same one.
    """
    instances = embedded.instances  # (N, 1, D) or (N, L, D)
    h = torch.from_numpy(np.array(instances).reshape(len(instances), -1))
    if not varying(h, torch.ones_like(h, dtype=torch.bool)).any():
        raise InputError(
            f"{source.origin.label} gives all clips of {embedded.name} the same embedding, so "
            "there is nothing to probe; its training has collapsed, or the file is not what it "
            "should be."
        )
    return int(instances.shape[2])


def check_corruption(
    source: Source, load: Load, names: str | Sequence[str], severities: Sequence[float]
) -> None:
    """Make sure, before anything is probed, that it can be tested under corruptions of sound.

    Raises:
        InputError: If the clips are no sound, there is no network to hear them, or no such
            corruption.
    """
    if not isinstance(source, NetworkSource):
        raise InputError("corruption=... needs a network that hears sound; leave it out.")
    chosen_corruptions(names, load(), severities)


def corrupt(
    folder: ProbeFolder,
    source: Source,
    plan: Plan,
    load: Load,
    names: str | Sequence[str],
    severities: Sequence[float],
    scorer: Scorer | None = None,
) -> None:
    """Test a probe with the most labels, of the first draw, under corruptions of sound.

    Args:
        folder: Of the probe; corruptions that its table has are not tested again.
        source: Of the embeddings.
        plan: How they are judged.
        load: Reads the corpus.
        names: Of corruptions; see `chosen_corruptions`.
        severities: See `chosen_severities`.
        scorer: The probe; None to fit it again, if anything is left to be tested.

    Raises:
        InputError: See `check_corruption`.
    """
    clips = plan.datamodule(load())
    chosen = chosen_corruptions(names, clips.corpus, severities)
    if _is_done(folder, chosen, severities):
        return
    if scorer is None:
        embedded = plan.datamodule(source.embedded(load, plan.cache, plan.batch_size, plan.device))
        drawn = draws(embedded, plan.fractions[-1:], plan.seeds[:1], plan.stratified)
        _, [scorer] = fit(source, plan, load, embedded, drawn)
    write_robustness(folder, clips, scorer, chosen, severities)


def _is_done(folder: ProbeFolder, names: Iterable[str], severities: Sequence[float]) -> bool:
    if not folder.robustness.is_file():
        return False
    judged = read_robustness(folder.robustness).judged
    return all((name, severity) in judged for name in names for severity in severities)
