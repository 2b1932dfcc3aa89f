"""Embeddings of recordings by a trained network: of clips, over time, of all layers of it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from musicssl.errors import InputError
from musicssl.inference.layers import with_layers
from musicssl.inference.model import Embedded, Model
from musicssl.inference.read_ahead import done_ahead
from musicssl.inference.streams import Samples
from musicssl.networks.time_summary import check_summary, over_time


class Extractor:
    """Embeds recordings.

    A clip's embedding is a summary of its instances, computed in float64; their mean is what probes
    use, see `musicssl.networks.classifier.Classifier.clip_embeddings`.

    Args:
        model: The network. With layers it can no longer predict.
        has_time: Whether to keep the instances.
        layers: Names of modules of the encoder; none for its blocks; None for the embedding alone.
        summary: Summary of the instances if they are not kept; see
            `musicssl.networks.time_summary`.

    Attributes:
        has_time: As given.
        layers: The name of each layer, (L,), or None.

    Raises:
        InputError: If there are no such layers, see `musicssl.inference.layers.Layers`, or no such
            summary.
    """

    def __init__(
        self,
        model: Model,
        has_time: bool = False,
        layers: Sequence[str] | None = None,
        summary: str = "mean",
    ) -> None:
        check_summary(summary, "--summary")
        self._model, self.has_time, self._summary = model, has_time, summary
        self._of_layers = None
        if layers is not None:
            size = getattr(model.network.encoder, "slice_chunks", None)
            encoder, self._of_layers = with_layers(model.network.encoder, layers)
            if size is not None:
                encoder.slice_chunks = size
            model.network.encoder = encoder.eval()
        self.layers = None if self._of_layers is None else self._of_layers.names

    @property
    def widths(self) -> list[int] | None:
        """Features of each layer, (L,), after the first recording, if they differ; else None."""
        widths = self._widths
        return widths if len(set(widths)) > 1 else None

    @property
    def _widths(self) -> list[int]:
        """Numbers of each layer in an embedding; none without layers."""
        statistics = 1 if self.has_time or self._summary == "mean" else 2
        widths = [] if self._of_layers is None else self._of_layers.widths
        return [statistics * width for width in widths]

    def embed_files(self, paths: Sequence[Path]) -> Iterator[tuple[Path, Embedded | str]]:
        """Yield each recording with its embedding, or with what is wrong with it.

        `h` of an embedding is (D,), (T, D), (L, D) or (L, T, D), where D is twice the features with
        two statistics. Layers that have fewer features than the widest one end with zeros.
        Recordings are decoded while others are embedded.
        """
        # Layers are collected in one place, so that one recording at a time can fill it.
        at_once = self._model.at_once if self._of_layers is None else 1
        return done_ahead(paths, self._model.sample_rate, self._embed, at_once)

    def _embed(self, blocks: Iterator[Samples]) -> Embedded:
        h, times = self._model.embed_blocks(blocks)  # (T, D), or (T, sum of widths)
        if not np.isfinite(h).all():
            raise InputError("has an embedding that is NaN or infinite")
        if not self.has_time:
            h = self._summarised(h)
        if self._of_layers is not None:
            h = _divided(h, self._widths)
        return Embedded(h if self.has_time else h[..., 0, :], times)

    def _summarised(self, h: NDArray[np.float32]) -> NDArray[np.float32]:
        """Summarise each layer over time, (T, sum of widths) -> (1, sum of `_widths`)."""
        layers = [h.shape[1]] if self._of_layers is None else self._of_layers.widths
        parts = np.split(h.astype(np.float64), np.cumsum(layers)[:-1], axis=1)
        vectors = [over_time(torch.from_numpy(part)[None], None, self._summary) for part in parts]
        summary: NDArray[np.float32] = torch.cat(vectors, dim=1).float().numpy()
        return summary


def _divided(h: NDArray[np.float32], widths: Sequence[int]) -> NDArray[np.float32]:
    """Divide layers that lie side by side, (T, sum of widths) -> (L, T, D)."""
    layers = np.zeros((len(widths), len(h), max(widths)), np.float32)
    ends = np.cumsum(widths)
    for layer, end, width in zip(layers, ends, widths, strict=True):
        layer[:, :width] = h[:, end - width : end]
    return layers
