"""How embeddings are judged, what may be said of that, and by what name the results go."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from musicssl.cache import fingerprint
from musicssl.data.corpus import Corpus, LoadedCorpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.probing.base import Probe
from musicssl.probing.finetune import FineTune
from musicssl.runs.probes.source import Source

BASELINES = ("untrained", "log_mel")


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
            source: Of the embeddings.
            corpus: That they are of; None if the source brings the labels too.
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


def saved_to(embeddings: Any) -> Path | None:
    """Return the file that `embeddings.save=FILE` names; None without one."""
    file = embeddings.get("save") if isinstance(embeddings, Mapping) else None
    return None if file is None else Path(str(file)).expanduser()


def checked_fractions(p_s: Any) -> tuple[float, ...]:
    """Return fractions of labels as they may be given, one number or several, ascending.

    Raises:
        InputError: If one is no number above 0 and at most 1.
    """
    given: Sequence[Any] = p_s if isinstance(p_s, list | tuple) else [p_s]
    for value in given:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value <= 1 or math.isnan(value):
            raise InputError(
                "data.p_s must be fractions of the labels above 0 and at most 1, such as "
                f"[0.01,0.1,1], got {value}."
            )
    if not given:
        raise InputError("data.p_s=[] leaves nothing to probe with; name a fraction of the labels.")
    return tuple(sorted({float(value) for value in given}))


def checked_seeds(seed: Any, seeds: Any) -> tuple[int, ...]:
    """Return the seeds of the draws of labelled clips.

    Args:
        seed: The first.
        seeds: How many.

    Raises:
        InputError: If that is not at least one.
    """
    if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
        raise InputError(f"seeds must be a whole number of draws, at least 1, got {seeds}.")
    if not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed must be a whole number from 0 up, got {seed}.")
    return tuple(range(seed, seed + seeds))


def checked_baselines(names: Any) -> tuple[str, ...]:
    """Return what is probed for comparison.

    Raises:
        InputError: If there is no such baseline.
    """
    given = [names] if isinstance(names, str) else list(names or [])
    for name in given:
        if name not in BASELINES:
            choices = ",".join(BASELINES)
            raise InputError(f"there is no baseline {name!r}; choose of baselines=[{choices}].")
    return tuple(dict.fromkeys(given))
