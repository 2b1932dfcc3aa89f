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
    """A file of embeddings, whose instances are averaged, or several files side by side.

    Several are put together as `EmbeddingsFile` does for training: with mean and standard deviation
    over time.

    Attributes:
        paths: Paths of the files.
        has_labels: Whether the labels are those of the (first) file, and not of a corpus.
        layer: "each" for all its layers, if it has some; "all" for all side by side; or the name or
            number of one.
    """

    paths: tuple[Path, ...]
    has_labels: bool
    layer: str | int = EACH

    @property
    def origin(self) -> Origin:
        """The files, and the layer."""
        which = "" if self.layer == EACH else f", layer {self.layer}"
        which = ", all layers" if self.layer == ALL else which
        stems, names = (path.stem for path in self.paths), (path.name for path in self.paths)
        return Origin("embeddings", "+".join(stems), " + ".join(names) + which)

    @property
    def identity(self) -> Mapping[str, Any]:
        """A hash of each file, and the layer."""
        which = {} if self.layer == EACH else {"layer": str(self.layer)}
        return {"embeddings": "_".join(map(file_identity, self.paths)), **which}

    @property
    def settings(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    @property
    def layers(self) -> Layers | None:
        """The layers of the file, if all of them are probed and there are several."""
        if len(self.paths) > 1:
            return None
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
        """Read the files.

        Raises:
            InputError: If one is damaged, lacks clips of the corpus, or has no such layer.
        """
        layer = None if self.layer == EACH else self.layer
        file = EmbeddingsFile(self.paths, None if self.has_labels else LoadedCorpus(load()), layer)
        if len(self.paths) > 1:
            return file.side_by_side("layers")
        [path], saved = self.paths, self._saved
        if layer is not None:
            x = instances(path, saved, layer, "layers")
            saved = replace(saved, embeddings=x, layers=None, widths=None)
        return file.corpus_of(path, saved, clip_layers(saved))

    @cached_property
    def _saved(self) -> SavedEmbeddings:
        return read_embeddings(self.paths[0])
