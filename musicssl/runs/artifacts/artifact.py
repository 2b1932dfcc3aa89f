"""What a run leaves besides its scores: the protocol, and how a method names its artifacts.

A method lists its artifacts by their dotted names, `artifacts = ("mylab.artifacts.MyTable",)`, as
it cannot import what writes files and draws. Each name is a class without arguments that implements
`Artifact`; it may lie in any package.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any, Protocol

from rich.console import Console

from musicssl.data.corpus import Corpus
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.probing.base import Embeddings
from musicssl.runs.folder import RunFolder


@dataclass(frozen=True)
class TrainedRun:
    """A run whose training is over, for its artifacts to be written.

    Attributes:
        folder: Folder of the run.
        datamodule: Data module that the method was trained with.
        method: Trained, in evaluation mode.
        layout: Layout of the map of embeddings; see `musicssl.figures.embedding_map`.
    """

    folder: RunFolder
    datamodule: SemiSupervisedDataModule
    method: Any
    layout: str | None = "pca"
    _embedded: dict[str, Embeddings] = field(default_factory=dict)

    @property
    def corpus(self) -> Corpus:
        """The corpus of the run."""
        return self.datamodule.corpus

    def embedded(self, split: str) -> Embeddings:
        """Return the embeddings of a split, of a method with an `OnlineProbe`; computed once."""
        if split not in self._embedded:
            batches = self.datamodule.batches(split)
            self._embedded[split] = self.method.probe.embedded(batches)
        return self._embedded[split]


class Artifact(Protocol):
    """Files, pictures or numbers that a run leaves besides its scores."""

    def write(self, run: TrainedRun) -> Mapping[str, Any]:
        """Write into the folder of the run; return what is added to metrics.json.

        Numbers under "macro" join the overall metrics of the test clips, so that tables of sweeps
        and the report have them, under the headings of `musicssl.evaluation.metrics.METRICS`. They
        are metrics that need more than scores and targets, such as the quality of separated sound.
        """

    def show(self, folder: RunFolder, document: Mapping[str, Any], console: Console) -> None:
        """Print what the user of a complete run should see.

        Args:
            folder: Folder of the run.
            document: The content of its metrics.json, in which undefined numbers are None. What
                `write` returned is missing or None if an older version wrote it.
            console: To print on.
        """


def artifacts_of(method: Any) -> list[Artifact]:
    """Return the artifacts that a method, or the class of one, names in `artifacts`.

    Raises:
        InputError: If there is no class of such a name.
    """
    artifacts: list[Artifact] = []
    for name in getattr(method, "artifacts", ()):
        try:
            artifacts.append(resolve_name(name)())
        except (ImportError, AttributeError, ValueError) as error:
            raise InputError(
                f"there is no artifact {name}, which this method leaves; install the package that "
                "has it, or correct the name in `artifacts` of the method."
            ) from error
    return artifacts
