"""Embeddings from a file, as what is probed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from musicssl.cache import file_identity
from musicssl.data.corpus import Corpus, LoadedCorpus
from musicssl.datasets.embeddings import EmbeddingsFile
from musicssl.datasets.formats.embeddings_file import SavedEmbeddings, read_embeddings
from musicssl.datasets.formats.embeddings_layers import ALL, clip_layers, instances
from musicssl.runs.probes.source import Layers, Load, Origin, nothing_to_tune

EACH = "each"  # of the layers of a file


@dataclass(frozen=True, eq=False)
class FileSource:
    """A file of embeddings; instances of clips are averaged.

    Attributes:
        path: Path of the file.
        has_labels: Whether the labels are those of the file, and not of a corpus.
        layer: "each" for all its layers, if it has some; "all" for all side by side; or the name or
            number of one.
    """

    path: Path
    has_labels: bool
    layer: str | int = EACH

    @property
    def origin(self) -> Origin:
        """The file, and the layer."""
        which = "" if self.layer == EACH else f", layer {self.layer}"
        which = ", all layers" if self.layer == ALL else which
        return Origin("embeddings", self.path.stem, self.path.name + which)

    @property
    def identity(self) -> Mapping[str, Any]:
        """A hash of the file, and the layer."""
        which = {} if self.layer == EACH else {"layer": str(self.layer)}
        return {"embeddings": file_identity(self.path), **which}

    @property
    def settings(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    @property
    def layers(self) -> Layers | None:
        """The layers of the file, if all of them are probed and there are several."""
        saved = self._saved
        if self.layer != EACH or saved.layers is None or len(saved.layers) == 1:
            return None
        dim = saved.embeddings.shape[-1]
        widths = [dim] * len(saved.layers) if saved.widths is None else saved.widths.tolist()
        return Layers(saved.layers.tolist(), widths)

    @property
    def encoder(self) -> torch.nn.Module:
        """Nothing.

        Raises:
            InputError: Always.
        """
        raise nothing_to_tune(self.origin)

    def embedded(self, load: Load, cache: Path, batch_size: int, device: torch.device) -> Corpus:
        """Read the file.

        Raises:
            InputError: If it is damaged, lacks clips of the corpus, or has no such layer.
        """
        file = EmbeddingsFile(self.path, None if self.has_labels else LoadedCorpus(load()))
        saved = self._saved
        if self.layer != EACH:
            x = instances(self.path, saved, self.layer, "layers")
            saved = replace(saved, embeddings=x, layers=None, widths=None)
        return file.corpus_of(self.path, saved, clip_layers(saved))

    @cached_property
    def _saved(self) -> SavedEmbeddings:
        return read_embeddings(self.path)
