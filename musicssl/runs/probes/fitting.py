"""The probe of a plan, fitted to some draws of labels, whether it changes the encoder or not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.corpus import Corpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.evaluation.predictions import Scorer
from musicssl.probing.base import Judge
from musicssl.probing.embeddings.extraction import Embedder
from musicssl.probing.finetune import FineTune
from musicssl.runs.probes.plan import Plan
from musicssl.runs.probes.source import NetworkSource, Source
from musicssl.runs.probes.trials import Draw, Trial, embeddings_of, fit_all

Load = Callable[[], Corpus]


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
    encoder = source.encoder
    if source.origin.kind == "untrained":
        probe = replace(probe, as_evaluated=False)  # its batch norms have no statistics to keep
    clips = plan.datamodule(load())
    train, val = (embeddings_of(embedded, split, plan.device) for split in ("train", "val"))
    subsets = [torch.from_numpy(draw.rows) for draw in drawn]
    tuned = probe.fit(encoder, clips, train, subsets, val, plan.device)
    trials = [
        Trial(draw, one.val_loss, one.chosen, _scores_of_test(one, clips))
        for draw, one in zip(drawn, tuned, strict=True)
    ]
    return trials, [*tuned]


def _scores_of_test(scorer: Scorer, datamodule: SemiSupervisedDataModule) -> Tensor:
    """Return what is said of the test clips, (N, C), on the CPU."""
    with torch.inference_mode():
        parts = [scorer.scores(batch).float().cpu() for batch in datamodule.batches("test")]
    return torch.cat(parts)
