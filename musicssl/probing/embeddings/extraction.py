"""The embeddings of whole clips of a corpus, computed once by a frozen network and kept on disk."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from torch import Tensor, nn

from musicssl.batch import Batch
from musicssl.cache import build_on, discard, fingerprint
from musicssl.data.clips import Rows, clips_of
from musicssl.data.corpus import Corpus
from musicssl.data.loaders import made_ahead
from musicssl.errors import InputError
from musicssl.probing.embeddings.array_file import ArrayFile, open_array

_log = logging.getLogger(__name__)


class Embedder(Protocol):
    """A network, `torch.nn.Module`, that embeds clips."""

    def clip_embeddings(self, batch: Batch) -> Tensor:
        """Return one embedding of each clip, (B, D)."""


def embed(
    network: Embedder,
    corpus: Corpus,
    identity: Mapping[str, Any],
    cache: Path,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
) -> NDArray[np.float32]:
    """Return the embeddings of all clips of a corpus, (N, D), a read-only memory map.

    They are stored in `cache/embeddings/NAME`, where NAME is a fingerprint of the network, the
    clips and the version of musicssl. A killed extraction is resumed with the same batches, so that
    the result is the same, and damaged embeddings are computed again. Batch size and device, which
    affect the last bits, are not part of the name: complete embeddings are used for all of them.

    Args:
        network: Embeds whole clips. It is frozen during the call, see `frozen`, and stays on the
            device.
        corpus: A corpus of instances or of sound.
        identity: Values that identify the network, which JSON can represent.
        cache: Folder of derived data.
        batch_size: Number of clips at a time; fewer for long recordings.
        device: Device for the computation.

    Raises:
        InputError: If the network does not read this kind of clips, an embedding is not finite, the
            disk is full or fails.
    """
    parts = {"network": dict(identity), "corpus": corpus.clip_identity()}
    name = fingerprint({**parts, "musicssl": version("musicssl")})

    def build(folder: Path) -> None:
        _extract(network, corpus, folder, batch_size, torch.device(device))

    folder = cache / "embeddings" / name
    if os.path.lexists(folder):
        try:
            return open_array(folder)
        except InputError as error:
            _log.warning("%s That is done now.", error)
            discard(folder)
    return open_array(build_on(folder, build))


def _extract(
    network: Embedder, corpus: Corpus, folder: Path, batch_size: int, device: torch.device
) -> None:
    """Fill a folder, or resume an interrupted call."""
    assert isinstance(network, nn.Module)
    network.to(device)
    num_clips = len(corpus.clip_ids)
    task = fingerprint({"batch_size": batch_size, "device": device.type})
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with (
        ArrayFile(folder, num_clips, task) as array,
        Progress(*columns, console=Console(stderr=True)) as progress,
        frozen(network),
        torch.inference_mode(),
    ):
        bar = progress.add_task(f"embedding {corpus.name}", total=num_clips, completed=array.done)
        for rows, batch in _batches(corpus, batch_size, array.done):
            h = network.clip_embeddings(batch.to(device)).float().cpu().numpy()  # (B, D)
            _check_finite(corpus, rows, h)
            array.append(h)
            progress.update(bar, completed=array.done)
        array.flush()


def _batches(corpus: Corpus, batch_size: int, done: int) -> Iterator[tuple[Rows, Batch]]:
    """Yield batches of whole clips in order, from the first clip that is not done."""
    clips = clips_of(corpus, crop_seconds=None)

    def read(rows: Rows) -> tuple[Rows, Batch]:
        whole = clips.whole(rows)
        no_labels = torch.zeros(len(rows), 0)
        return rows, Batch(whole.x, no_labels, no_labels.bool(), whole.lengths)

    all_rows = np.arange(len(corpus.clip_ids))
    remaining = (rows for rows in clips.batches(all_rows, batch_size) if rows[0] >= done)
    return made_ahead(read, remaining)


def _check_finite(corpus: Corpus, rows: Rows, h: NDArray[np.float32]) -> None:
    bad = ~np.isfinite(h).all(axis=1)
    if bad.any():
        clip = str(corpus.clip_ids[rows[np.argmax(bad)]])
        raise InputError(
            f"{corpus.name}: the embedding of clip {clip!r} is NaN or infinite; "
            "check that clip, or choose another checkpoint."
        )


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Set a network to evaluation mode without gradients, and restore its state afterwards.

    In evaluation mode batch norms neither use nor update the statistics of a batch.
    """
    modes = [(module, module.training) for module in network.modules()]
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    network.eval().requires_grad_(False)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter in trainable:
            parameter.requires_grad_(True)
