"""One probe, from its plan to its folder: embed, draw labels, fit, test."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from musicssl.cache import fingerprint
from musicssl.data.checks import learnable
from musicssl.data.corpus import Corpus, LoadedCorpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError, printable
from musicssl.evaluation.predictions import Scorer
from musicssl.probing.base import Probe
from musicssl.probing.finetune import FineTune
from musicssl.probing.linear import varying
from musicssl.probing.weighted_layers import WeightedLayers
from musicssl.runs.folder import claimed
from musicssl.runs.probes.file_source import FileSource
from musicssl.runs.probes.folder import ProbeFolder
from musicssl.runs.probes.layers import LayerTrials, fit_each_layer
from musicssl.runs.probes.results import Probed, write_probe
from musicssl.runs.probes.source import Load, Source
from musicssl.runs.probes.trials import draws, fit


@dataclass(frozen=True, eq=False)
class Plan:
    """How embeddings are judged.

    Attributes:
        name: The word typed after `probe=`.
        probe: To be fitted.
        fractions: Fractions of the labelled training clips, ascending.
        seeds: Seeds of the draws of labelled clips.
        stratified: Whether every class is to keep some.
        val_fraction: Carved out of train where the corpus has no validation split.
        split_seed: Seed of that carving.
        val_list: File that names the validation clips instead; None to carve.
        batch_size: Clips to embed at a time.
        cache: Folder of derived data.
        device: To compute on.
        settings: The resolved configuration, plain values.
        dataset: Settings of the corpus among them; None if labels come with the embeddings.
        overwrite: Whether to probe again what was probed.
    """

    name: str
    probe: Probe | FineTune
    fractions: Sequence[float]
    seeds: Sequence[int]
    stratified: bool
    val_fraction: float
    split_seed: int
    val_list: str | None
    batch_size: int
    cache: Path
    device: torch.device
    settings: Mapping[str, Any]
    dataset: Mapping[str, Any] | None
    overwrite: bool

    def made_of(self, source: Source, corpus: Corpus | None) -> str:
        """Name all that the results of a source follow from.

        Args:
            source: Source of the embeddings.
            corpus: Corpus that they belong to; None if the source brings the labels too.
        """
        return fingerprint(
            {
                "source": dict(source.identity),
                "corpus": None if corpus is None else [corpus.clip_identity(), _labels(corpus)],
                "probe": self.settings["probe"],
                "draws": [self.fractions, self.seeds, self.stratified],
                "split": [self.val_fraction, self.split_seed, self.val_list],
                "version": version("musicssl"),
            }
        )

    def datamodule(self, corpus: Corpus) -> SemiSupervisedDataModule:
        """Divide a corpus into clips that train, validate and test, with all labels."""
        datamodule = SemiSupervisedDataModule(
            LoadedCorpus(corpus),
            batch_size=self.batch_size,
            val_fraction=self.val_fraction,
            split_seed=self.split_seed,
            val_list=self.val_list,
        )
        datamodule.setup()
        return datamodule

    def divided(self, corpus: Corpus) -> Corpus:
        """Return a corpus in which the clips that validate are said to."""
        split = corpus.split.astype(object)
        split[self.datamodule(corpus).rows("val")] = "val"
        return replace(corpus, split=split.astype(str))


def _labels(corpus: Corpus) -> str:
    """Return a hash of what is known of the clips, and of how they are divided."""
    y = np.where(corpus.mask, corpus.y, 0)
    digest = hashlib.sha256(repr((corpus.classes, corpus.task)).encode())
    for part in (y, corpus.mask, corpus.split, corpus.groups, corpus.credit):
        digest.update(b"none" if part is None else part.tobytes())
    return digest.hexdigest()


def probe_source(folder: ProbeFolder, source: Source, plan: Plan, load: Load) -> Scorer | None:
    """Probe a source, unless the folder has its results.

    Args:
        folder: For the results; those of anything else in it go.
        source: Source of the embeddings.
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
        trials, scorers = fit(
            source, plan.probe, datamodule, drawn, plan.device, lambda: plan.datamodule(load())
        )
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
