"""How embeddings are judged, and by what name the results go."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from musicssl.cache import fingerprint
from musicssl.data.corpus import Corpus, LoadedCorpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.probing.base import Probe
from musicssl.probing.finetune import FineTune
from musicssl.runs.probes.source import Source


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

    def made_of(self, source: Source, corpus: Corpus | None) -> str:
        """Name all that the results of a source follow from.

        Args:
            source: Of the embeddings.
            corpus: That they are of; None if the source brings the labels too.
        """
        return fingerprint(
            {
                "source": dict(source.identity),
                "corpus": None if corpus is None else [corpus.clip_identity(), _labels(corpus)],
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


def _labels(corpus: Corpus) -> str:
    """Return a hash of what is known of the clips, and of how they are divided."""
    y = np.where(corpus.mask, corpus.y, 0)
    digest = hashlib.sha256(repr((corpus.classes, corpus.task)).encode())
    for part in (y, corpus.mask, corpus.split, corpus.groups, corpus.credit):
        digest.update(b"none" if part is None else part.tobytes())
    return digest.hexdigest()
