"""One probe from its plan to its folder: embed, draw labels, fit, test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from musicssl.batch import Batch
from musicssl.cache import fingerprint
from musicssl.corpus import Corpus
from musicssl.datamodule import SemiSupervisedDataModule
from musicssl.embeddings.extraction import Embedder
from musicssl.errors import InputError
from musicssl.evaluation import Scorer
from musicssl.finetuning.fine_tune import FineTune
from musicssl.job import claimed
from musicssl.loaded_corpus import LoadedCorpus
from musicssl.probes.folder import ProbeFolder
from musicssl.probes.results import Probed, write_probe
from musicssl.probes.source import NetworkSource, Source
from musicssl.probes.trials import Draw, Trial, draws, embeddings_of, fit_all
from musicssl.probing.probe import Judge, Probe
from musicssl.robustness_results import chosen_corruptions, write_robustness

_NO_BEARING = ("cache", "num_workers")  # settings of a corpus that change nothing in it

Load = Callable[[], Corpus]


@dataclass(frozen=True, eq=False)
class Plan:
    """How embeddings are judged.

    Attributes:
        name: The word typed after `probe=`.
        probe: To be fitted.
        fractions: Of the labelled training clips, ascending.
        seeds: Of the draws of labelled clips.
        stratified: Whether every class is to keep some.
        val_fraction: Carved out of train where the corpus has no validation split.
        split_seed: Of that carving.
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
    batch_size: int
    cache: Path
    device: torch.device
    settings: Mapping[str, Any]
    dataset: Mapping[str, Any] | None
    overwrite: bool

    def made_of(self, source: Source) -> str:
        """Name all that the results of a source follow from."""
        dataset = {k: v for k, v in (self.dataset or {}).items() if k not in _NO_BEARING}
        return fingerprint(
            {
                "source": dict(source.identity),
                "dataset": dataset,
                "features": self.settings["features"],
                "probe": self.settings["probe"],
                "draws": [self.fractions, self.seeds, self.stratified],
                "split": [self.val_fraction, self.split_seed],
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
        )
        datamodule.setup()
        return datamodule


@dataclass(frozen=True, eq=False)
class ProbedNetwork:
    """A frozen network and a probe of it, as one `Scorer`.

    Attributes:
        network: Embeds clips.
        judge: Scores embeddings.
        device: Of both.
    """

    network: Embedder
    judge: Judge
    device: torch.device

    def scores(self, batch: Batch) -> Tensor:
        """Return probabilities of classes, or values, (B, C)."""
        return self.judge(self.network.clip_embeddings(batch.to(self.device)).float())


def fit(
    source: Source,
    plan: Plan,
    load: Load,
    embedded: SemiSupervisedDataModule,
    drawn: Sequence[Draw],
) -> tuple[list[Trial], list[Scorer]]:
    """Fit the probe of a plan to several draws of labels.

    Args:
        source: Of the embeddings.
        plan: That has the probe.
        load: Reads the corpus, which fine-tuning needs itself.
        embedded: Its embeddings, divided.
        drawn: What to learn from.

    Returns:
        The trials, and what scores clips as each of them does; none of the latter if there is no
        network.
    """
    if isinstance(plan.probe, FineTune):
        return _fine_tuned(plan.probe, source, plan, load, embedded, drawn)
    trials, fitted = fit_all(plan.probe, embedded, drawn, plan.device)
    if not isinstance(source, NetworkSource):
        return trials, []
    network = source.network
    assert isinstance(network, torch.nn.Module)
    network.to(plan.device)
    return trials, [ProbedNetwork(source.network, one.judge, plan.device) for one in fitted]


def _fine_tuned(
    probe: FineTune,
    source: Source,
    plan: Plan,
    load: Load,
    embedded: SemiSupervisedDataModule,
    drawn: Sequence[Draw],
) -> tuple[list[Trial], list[Scorer]]:
    if source.origin.kind == "untrained":
        probe = replace(probe, as_evaluated=False)  # its batch norms have no statistics to keep
    clips = plan.datamodule(load())
    train, val = (embeddings_of(embedded, split, plan.device) for split in ("train", "val"))
    subsets = [torch.from_numpy(draw.rows) for draw in drawn]
    tuned = probe.fit(source.encoder, clips, train, subsets, val, plan.device)
    trials = [
        Trial(draw, one.val_loss, one.chosen, scores_of_test(one, clips))
        for draw, one in zip(drawn, tuned, strict=True)
    ]
    return trials, [*tuned]


def scores_of_test(scorer: Scorer, datamodule: SemiSupervisedDataModule) -> Tensor:
    """Return what is said of the test clips, (N, C), on the CPU."""
    with torch.inference_mode():
        parts = [scorer.scores(batch).float().cpu() for batch in datamodule.batches("test")]
    return torch.cat(parts)


def probe_source(
    folder: ProbeFolder,
    source: Source,
    plan: Plan,
    load: Load,
    baselines: Sequence[ProbeFolder] = (),
) -> None:
    """Probe a source, unless the folder has its results.

    Args:
        folder: For the results; those of anything else in it go.
        source: Of the embeddings.
        plan: How they are judged.
        load: Reads the corpus.
        baselines: Complete probes to compare with.
    """
    made_of = plan.made_of(source)
    if folder.holds(made_of) and not plan.overwrite:
        return
    Console(stderr=True).print(f"probing {source.origin.label}", highlight=False)
    embedded = source.embedded(load, plan.cache, plan.batch_size, plan.device)
    datamodule = plan.datamodule(embedded)
    drawn = draws(datamodule, plan.fractions, plan.seeds, plan.stratified)
    trials, _ = fit(source, plan, load, datamodule, drawn)
    assert isinstance(embedded.x, np.ndarray)
    settings = {**plan.settings, "dataset": plan.dataset, **source.settings}
    probed = Probed(source.origin, embedded.x.shape[2], plan.name, settings, made_of)
    write_probe(folder, probed, datamodule, trials, baselines)


def probe_baseline(source: Source, plan: Plan, runs: Path, load: Load) -> ProbeFolder:
    """Probe what others are compared with, unless that was done; return its folder.

    Jobs that want the same one wait for the first of them.

    Args:
        source: To be probed.
        plan: How.
        runs: Folder of all runs.
        load: Reads the corpus.
    """
    corpus = str((plan.dataset or {}).get("_target_", "own_corpus")).split(".")[-2:][0]
    place = runs / "probes" / source.origin.name / corpus / plan.name / plan.made_of(source)
    folder = ProbeFolder(place)
    with claimed(folder.path, wait=True):
        probe_source(folder, source, plan, load)
    return folder


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
) -> None:
    """Test a probe with the most labels, of the first draw, under corruptions of sound.

    Args:
        folder: Of the probe; corruptions that its table has are not tested again.
        source: Of the embeddings.
        plan: How they are judged.
        load: Reads the corpus.
        names: Of corruptions; see `chosen_corruptions`.
        severities: See `chosen_severities`.

    Raises:
        InputError: See `check_corruption`.
    """
    clips = plan.datamodule(load())
    chosen = chosen_corruptions(names, clips.corpus, severities)
    embedded = plan.datamodule(source.embedded(load, plan.cache, plan.batch_size, plan.device))
    drawn = draws(embedded, plan.fractions[-1:], plan.seeds[:1], plan.stratified)
    _, [scorer] = fit(source, plan, load, embedded, drawn)
    write_robustness(folder, clips, scorer, chosen, severities)
