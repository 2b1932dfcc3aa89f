"""The embeddings of a corpus: computed once by a frozen network, whole clips, and kept on disk."""

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
from musicssl.cache import build_on, fingerprint
from musicssl.data.clips import Rows, clips_of
from musicssl.data.corpus import Corpus
from musicssl.data.loaders import made_ahead
from musicssl.errors import InputError
from musicssl.probing.embeddings.array_file import ArrayFile, open_array


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

    They lie in `cache/embeddings/NAME`, where NAME is made of what they depend on: the network, the
    clips and the version of musicssl. An extraction that was killed is gone on with, in the same
    batches, so that nothing differs in the end. Batch size and device, which decide the last bits,
    are not part of the name: what is complete serves all.

    Args:
        network: Embeds whole clips. It is frozen meanwhile, see `frozen`, and left on the device.
        corpus: Of instances or of sound.
        identity: What tells this network from any other, in values that JSON can hold.
        cache: Folder of derived data.
        batch_size: Clips at a time; fewer of long recordings.
        device: Where to compute.

    Raises:
        InputError: If the clips are of a kind that the network does not read, an embedding is not
            finite, the disk is full or fails, or what was kept is damaged.
    """
    parts = {"network": dict(identity), "corpus": corpus.clip_identity()}
    name = fingerprint({**parts, "musicssl": version("musicssl")})

    def build(folder: Path) -> None:
        _extract(network, corpus, folder, batch_size, torch.device(device))

    return open_array(build_on(cache / "embeddings" / name, build))


def _extract(
    network: Embedder, corpus: Corpus, folder: Path, batch_size: int, device: torch.device
) -> None:
    """Fill a folder, going on from what an interrupted call left in it."""
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
    """Yield the clips, whole and in order, from the first one that is not done."""
    clips = clips_of(corpus, crop_seconds=None)

    def read(rows: Rows) -> tuple[Rows, Batch]:
        piece = clips.whole(rows)
        unknown = torch.zeros(len(rows), 0)
        return rows, Batch(piece.x, unknown, unknown.bool(), piece.lengths)

    every = np.arange(len(corpus.clip_ids))
    left = (rows for rows in clips.batches(every, batch_size) if rows[0] >= done)
    return made_ahead(read, left)


def _check_finite(corpus: Corpus, rows: Rows, h: NDArray[np.float32]) -> None:
    bad = ~np.isfinite(h).all(axis=1)
    if bad.any():
        clip = str(corpus.clip_ids[rows[np.argmax(bad)]])
        raise InputError(
            f"{corpus.name}: the embedding of clip {clip!r} is NaN or infinite; "
            "look at that clip, or choose another checkpoint."
        )


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Keep a network in evaluation mode and its parameters from learning, for a while.

    In evaluation mode batch norms neither use nor update the statistics of a batch. Afterwards each
    module is in the mode that it was in, and each parameter learns that did.
    """
    modes = [(module, module.training) for module in network.modules()]
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    network.eval().requires_grad_(False)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter in learning:
            parameter.requires_grad_(True)
