"""The trials of a probe: few labels and more, drawn several times, each fitted and tested.

Probes do not change the encoder; fine-tuning trains a copy of it for each trial.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.splits import labelled_subset
from musicssl.evaluation.predictions import Scorer
from musicssl.evaluation.tasks import task_named
from musicssl.probing.base import Embeddings, FittedProbe, Judge, Probe
from musicssl.probing.embeddings.extraction import Embedder
from musicssl.probing.finetune import FineTune
from musicssl.runs.probes.source import NetworkSource, Source


@dataclass(frozen=True, eq=False)
class Draw:
    """Some labelled clips.

    Attributes:
        p_s: Fraction of the labelled training clips that they are.
        seed: Seed of the draw.
        rows: Which of the training clips, (n,), ascending.
    """

    p_s: float
    seed: int
    rows: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Trial:
    """A probe that was fitted and tested.

    Attributes:
        draw: What it learnt from.
        val_loss: What it was chosen by.
        chosen: Settings that validation chose.
        scores: Scores of the test clips, (N, C), on the CPU.
        layer_weights: Weight of each layer, if the probe is of several.
    """

    draw: Draw
    val_loss: float
    chosen: Mapping[str, float]
    scores: Tensor
    layer_weights: tuple[float, ...] = ()


def draws(
    datamodule: SemiSupervisedDataModule,
    fractions: Sequence[float],
    seeds: Sequence[int],
    stratified: bool = False,
) -> list[Draw]:
    """Draw labelled training clips; those of a fraction lie within those of each larger one.

    Draws of all labels, or of too few to differ, are the same ones: each set of clips is drawn once
    at a fraction.

    Args:
        datamodule: Data module of the training clips.
        fractions: Ascending, above 0 and at most 1.
        seeds: Seeds of the draws at each.
        stratified: See `labelled_subset`.
    """
    y, mask = (part.numpy() for part in datamodule.labels("train"))
    task, found = datamodule.corpus.task, []
    for p_s in fractions:
        rows = {seed: labelled_subset(y, mask, p_s, seed, stratified, task) for seed in seeds}
        once = {kept.tobytes(): seed for seed, kept in reversed(rows.items())}
        found += [Draw(p_s, seed, rows[seed]) for seed in sorted(once.values())]
    return found


def embeddings_of(
    datamodule: SemiSupervisedDataModule, split: str, device: torch.device
) -> Embeddings:
    """Return a split of a corpus of embeddings, whose clips are (N, 1, D) or (N, L, D).

    The embeddings are (n, D) if there is one for each clip, or (n, L, D).
    """
    h = np.asarray(datamodule.corpus.instances)[datamodule.rows(split)]
    h = h[:, 0] if h.shape[1] == 1 else h
    y, mask = datamodule.labels(split)
    return Embeddings(torch.from_numpy(h).to(device), y.to(device), mask.to(device))


def fit_all(
    probe: Probe,
    datamodule: SemiSupervisedDataModule,
    drawn: Sequence[Draw],
    device: torch.device,
) -> tuple[list[Trial], list[FittedProbe]]:
    """Fit a probe to each draw and score the test clips.

    Args:
        probe: To be fitted.
        datamodule: Data module of a corpus of embeddings.
        drawn: What to learn from.
        device: To compute on.
    """
    train, val, test = (embeddings_of(datamodule, s, device) for s in ("train", "val", "test"))
    subsets = [torch.from_numpy(draw.rows).to(device) for draw in drawn]
    fitted = probe.fit(train, subsets, val, task_named(datamodule.corpus.task))
    trials = [
        Trial(draw, one.val_loss, one.chosen, one.judge(test.h).float().cpu(), one.layer_weights)
        for draw, one in zip(drawn, fitted, strict=True)
    ]
    return trials, fitted


@dataclass(frozen=True, eq=False)
class ProbedNetwork:
    """A frozen network and a probe of it, as one `Scorer`.

    Attributes:
        network: Embeds clips.
        judge: Scores embeddings.
        device: Device of both.
    """

    network: Embedder
    judge: Judge
    device: torch.device

    def scores(self, batch: Batch) -> Tensor:
        """Return probabilities of classes, or values, (B, C)."""
        return self.judge(self.network.clip_embeddings(batch.to(self.device)).float())


def fit(
    source: Source,
    probe: Probe | FineTune,
    embedded: SemiSupervisedDataModule,
    drawn: Sequence[Draw],
    device: torch.device,
    clips: Callable[[], SemiSupervisedDataModule],
) -> tuple[list[Trial], list[Scorer]]:
    """Fit a probe to several draws of labels.

    Args:
        source: Source of the embeddings.
        probe: To be fitted.
        embedded: The embeddings of the corpus, divided.
        drawn: What to learn from.
        device: To compute on.
        clips: Reads the corpus itself, divided in the same way, which fine-tuning needs.

    Returns:
        The trials, and what scores clips as each of them does; none of the latter if there is no
        network.
    """
    if isinstance(probe, FineTune):
        return _fine_tuned(source, probe, embedded, drawn, device, clips())
    trials, fitted = fit_all(probe, embedded, drawn, device)
    if not isinstance(source, NetworkSource):
        return trials, []
    network = source.network
    assert isinstance(network, torch.nn.Module)
    network.to(device)
    return trials, [ProbedNetwork(source.network, one.judge, device) for one in fitted]


def _fine_tuned(
    source: Source,
    probe: FineTune,
    embedded: SemiSupervisedDataModule,
    drawn: Sequence[Draw],
    device: torch.device,
    clips: SemiSupervisedDataModule,
) -> tuple[list[Trial], list[Scorer]]:
    encoder = source.encoder
    if source.origin.kind == "untrained":
        probe = replace(probe, as_evaluated=False)  # its batch norms have no statistics to keep
    train, val = (embeddings_of(embedded, split, device) for split in ("train", "val"))
    subsets = [torch.from_numpy(draw.rows) for draw in drawn]
    tuned = probe.fit(encoder, clips, train, subsets, val, device)
    trials = [
        Trial(draw, one.val_loss, one.chosen, _scores_of_test(one, clips))
        for draw, one in zip(drawn, tuned, strict=True)
    ]
    return trials, [*tuned]


def _scores_of_test(scorer: Scorer, datamodule: SemiSupervisedDataModule) -> Tensor:
    """Return the scores of the test clips, (N, C), on the CPU."""
    with torch.inference_mode():
        parts = [scorer.scores(batch).float().cpu() for batch in datamodule.batches("test")]
    return torch.cat(parts)
