"""What teaches a run: a file of embeddings or logits, or the network of a checkpoint."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from musicssl.batch import Batch
from musicssl.data.corpus import Corpus
from musicssl.data.teacher import TeacherTable
from musicssl.datasets.formats.embeddings_file import read_embeddings
from musicssl.datasets.formats.embeddings_layers import clip_layers
from musicssl.errors import InputError
from musicssl.networks.classifier import Classifier
from musicssl.runs.checkpoint import Checkpoint
from musicssl.runs.probes.source import of_checkpoint

FILES = (".npz", ".parquet")  # of embeddings or logits; others are checkpoints

Kind = Literal["embeddings", "logits"]


def teacher_in(settings: Mapping[str, Any]) -> tuple[Path, Kind] | None:
    """Return the file that teaches a run, and what it gives; None if there is none.

    Args:
        settings: Settings of the run, plain values.

    Raises:
        InputError: If there are two, or one is no path.
    """
    given: dict[str, Any] = {
        "teacher_embeddings": settings.get("teacher_embeddings"),
        "finetune.teacher": (settings.get("finetune") or {}).get("teacher"),
    }
    named = {key: value for key, value in given.items() if value is not None}
    if not named:
        return None
    if len(named) > 1:
        raise InputError(
            f"{' and '.join(f'{key}={value}' for key, value in named.items())} are two teachers; "
            "leave one of them out."
        )
    [(key, value)] = named.items()
    if isinstance(value, list | dict):
        raise InputError(f"{key} must be the path of a file, got {value}.")
    return Path(str(value)).expanduser(), "logits" if key == "finetune.teacher" else "embeddings"


@dataclass(frozen=True)
class Extraction:
    """Where and how the network of a checkpoint embeds clips.

    Attributes:
        load: Reads the corpora of the run, with the features that a checkpoint was trained on.
        cache: Folder of derived data.
        batch_size: Clips to embed at a time.
        device: To embed on.
        trusted: See `Checkpoint.method`.
    """

    load: Callable[[Checkpoint], Sequence[Corpus]]
    cache: Path
    batch_size: int
    device: torch.device
    trusted: Sequence[str] = ()


def read_teacher(
    path: Path, kind: Kind, classes: Sequence[str], extraction: Extraction
) -> TeacherTable:
    """Read the outputs of a teacher for clips, or compute them once with its network.

    Args:
        path: Path of embeddings, .npz or .parquet, which are the logits of classes if `kind` says
            so; or of a checkpoint, whose embeddings or logits of all clips are cached.
        kind: What it gives.
        classes: The classes of the corpus.
        extraction: For a checkpoint.

    Raises:
        InputError: If the file cannot be read, or answers about other classes.
    """
    if path.suffix in FILES:
        saved = read_embeddings(path)
        layers = clip_layers(saved)  # (M, L, E), averaged over time
        if layers.shape[1] > 1:
            raise InputError(
                f"{path} has {layers.shape[1]} layers of each clip, and a teacher gives one "
                "vector; name a file with the embeddings of one layer."
            )
        return TeacherTable(layers[:, 0], saved.clip_ids, kind, str(path))
    checkpoint = Checkpoint.read(path)
    source = of_checkpoint(checkpoint, extraction.trusted)
    if kind == "logits":
        if checkpoint.classes != tuple(classes):
            raise InputError(
                f"{path} answers about other classes than this corpus has; choose a teacher that "
                f"was trained for the same classes, or teacher_embeddings={path}."
            )
        assert isinstance(source.network, Classifier)
        identity = dict(source.identity) | {"output": "logits"}
        source = replace(source, network=_Answers(source.network), identity=identity)
    corpora = [
        source.embedded(
            partial(_same, corpus), extraction.cache, extraction.batch_size, extraction.device
        )
        for corpus in extraction.load(checkpoint)
    ]
    values = [corpus.instances[:, 0] for corpus in corpora]
    return TeacherTable(
        values[0] if len(values) == 1 else np.concatenate(values),
        np.concatenate([corpus.clip_ids for corpus in corpora]),
        kind,
        str(path),
    )


def _same(corpus: Corpus) -> Corpus:
    return corpus


class _Answers(nn.Module):
    """A network whose logits take the place of embeddings."""

    def __init__(self, network: Classifier) -> None:
        super().__init__()
        self.network = network

    def clip_embeddings(self, batch: Batch) -> Tensor:
        """Return the logits of the clips, (B, C)."""
        logits: Tensor = self.network(batch)
        return logits
