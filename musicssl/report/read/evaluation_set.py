"""The clips that a run was tested on, and whether two runs were tested on the same."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicssl.errors import printable
from musicssl.evaluation.tasks import task_named
from musicssl.report.read.settings import ABSENT, differing


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """The test clips of a corpus and their targets.

    Attributes:
        corpus: The settings of the corpus, by path.
        classes: Names, (C).
        clip_ids: Names of the test clips, (N,) str.
        targets: (N, C); without meaning where `mask` is False.
        mask: True where the target was observed, (N, C).
        task: Name of the kind of targets; see `musicssl.data.corpus.Corpus`.
    """

    corpus: Mapping[str, str]
    classes: tuple[str, ...]
    clip_ids: NDArray[np.str_]
    targets: NDArray[np.floating]
    mask: NDArray[np.bool_]
    task: str

    @property
    def has_classes(self) -> bool:
        """Whether the targets are classes, and not the values of a regression."""
        return task_named(self.task).has_classes

    @property
    def present(self) -> NDArray[np.bool_]:
        """Whether the class is in the clip, (N, C)."""
        present: NDArray[np.bool_] = self.targets >= 0.5
        return present

    def difference(self, other: "EvaluationSet") -> str | None:
        """Name the first difference in a few words; None if results on the two are comparable."""
        keys = differing([self.corpus, other.corpus])
        values = [(self.corpus.get(key, ABSENT), other.corpus.get(key, ABSENT)) for key in keys]
        settings = [
            f"{key} is {first} in one and {second} in the other"
            for key, (first, second) in zip(keys, values, strict=True)
        ]
        if settings:
            return ", ".join(settings[:3])
        if self.task != other.task:
            return f"the targets are {self.task} in one and {other.task} in the other"
        if self.classes != other.classes:
            odd = sorted(set(self.classes) ^ set(other.classes))
            return (
                f"their classes differ ({', '.join(odd[:3])})"
                if odd
                else "their classes are in another order"
            )
        if not np.array_equal(self.clip_ids, other.clip_ids):
            odd = sorted(set(self.clip_ids.tolist()) ^ set(other.clip_ids.tolist()))
            counts = f"{len(self.clip_ids)} and {len(other.clip_ids)}"
            return (
                f"their test clips differ ({counts} clips; "
                f"{printable(', '.join(odd[:3])) or 'another order'})"
            )
        changed = int(np.count_nonzero(self.mask != other.mask))
        if changed:
            return f"{changed} cells of their test labels are observed in one of them only"
        changed = int(np.count_nonzero(self._changed_targets(other) & self.mask))
        if changed:
            return f"{changed} of their observed test labels differ"
        return None

    def _changed_targets(self, other: "EvaluationSet") -> NDArray[np.bool_]:
        """Return where the targets of the same clips differ, (N, C)."""
        changed: NDArray[np.bool_] = self.targets != other.targets
        return self.present != other.present if self.has_classes else changed
