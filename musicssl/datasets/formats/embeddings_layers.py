"""Parts of a file of embeddings: one layer, all layers side by side, means over time.

N clips, L layers, T instances, D features.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.datasets.formats.embeddings_file import SavedEmbeddings
from musicssl.errors import InputError

ALL = "all"
_NUMBERS = 1 << 23  # that are averaged at a time: 64 MiB in float64


def instances(
    path: Path, saved: SavedEmbeddings, layer: str | int | None, setting: str
) -> NDArray[np.float32]:
    """Return the embeddings of one layer, or of all side by side, as instances, (N, T, D).

    T is 1 without time. One layer is a view of the file, and so are all layers without time; all
    layers with time are read into memory.

    Args:
        path: Path of the file, for messages.
        saved: Its content.
        layer: Name of a layer, or its number from 0, or -1 for the last one, and so on; "all"; None
            for a file with one layer or none.
        setting: Setting that chose the layer, for messages.

    Raises:
        InputError: If the file has no such layer, or several and none is chosen.
    """
    h = saved.embeddings
    if layer == ALL and saved.layers is not None:
        return _side_by_side(saved)
    number = layer_number(path, saved, layer, setting)
    if number is not None:
        width = h.shape[-1] if saved.widths is None else int(saved.widths[number])
        h = h[:, number, ..., :width]
    return h if h.ndim == 3 else h[:, None]


def layer_number(
    path: Path, saved: SavedEmbeddings, layer: str | int | None, setting: str
) -> int | None:
    """Return the number of a layer; None for a file without layers.

    Args:
        path: Path of the file, for messages.
        saved: Its content.
        layer: Its name, or its number; see `instances`.
        setting: Setting that chose the layer, for messages.

    Raises:
        InputError: As `instances` does.
    """
    if saved.layers is None:
        if layer is not None:
            raise InputError(f"{path} has no layers; leave out {setting}={layer}.")
        return None
    names = saved.layers.tolist()
    if layer is None:
        if len(names) == 1:
            return 0
        raise InputError(
            f"{path} has {len(names)} layers ({', '.join(names)}); choose one with "
            f"{setting}=NAME, or all of them side by side with {setting}=all."
        )
    if str(layer) in names:
        return int(names.index(str(layer)))
    try:
        return range(len(names))[int(layer)]
    except (ValueError, IndexError):
        raise InputError(
            f"{path} has no layer {str(layer)!r} ({setting}); it has {', '.join(names)}."
        ) from None


def clip_layers(saved: SavedEmbeddings) -> NDArray[np.float32]:
    """Return one embedding of each clip and layer, (N, L, D); L is 1 without layers.

    Instances are averaged, without padding, in float64 and some clips at a time.
    """
    h = saved.embeddings
    if saved.layers is None:
        h = h[:, None]  # (N, 1, T, D) or (N, 1, D)
    if not saved.has_time:
        return h
    num_instances = h.shape[2]
    lengths = saved.lengths
    if lengths is None:
        lengths = np.full(len(h), num_instances)
    means = np.empty((*h.shape[:2], h.shape[3]), np.float32)
    step = max(1, _NUMBERS // (h.size // len(h)))
    for begin in range(0, len(h), step):
        rows = slice(begin, begin + step)
        valid = np.arange(num_instances) < lengths[rows, None]  # (n, T)
        total = np.where(valid[:, None, :, None], h[rows], 0).sum(axis=2, dtype=np.float64)
        means[rows] = total / lengths[rows, None, None]
    return means


def _side_by_side(saved: SavedEmbeddings) -> NDArray[np.float32]:
    h, widths = saved.embeddings, saved.widths
    if widths is not None:
        layers = [h[:, number, ..., :width] for number, width in enumerate(widths.tolist())]
        joined = np.concatenate(layers, axis=-1)
        return joined if joined.ndim == 3 else joined[:, None]
    if not saved.has_time:
        return h.reshape(len(h), 1, -1)
    return np.moveaxis(h, 1, 2).reshape(len(h), h.shape[2], -1)
