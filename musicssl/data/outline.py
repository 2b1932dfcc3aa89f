"""What a corpus can say before its clips are read, so that mistakes are found before hours of work.

Annotations are read in a second. Recordings that have to be decoded or rendered first take minutes
to hours. A run therefore asks its corpora for an outline before it prepares them.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from musicssl.data.checks import check_targets, no_labels
from musicssl.errors import InputError


class Targets(NamedTuple):
    """The labels in the annotations of N clips; see `musicssl.data.checks.check_targets`."""

    clip_ids: NDArray[np.str_]
    y: NDArray[np.float32]
    mask: NDArray[np.bool_]
    train: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Outline:
    """What is known of a corpus before its clips are read; names are those of `Corpus`.

    Tokens have no outline, because corpora of tokens are made in memory.

    Attributes:
        name: The word typed after `dataset=`.
        task: Kind of the targets.
        num_features: Features of an instance, F; None for sound, or if it is not known yet.
        num_instances: Instances of the longest clip, T; a guess unless `is_exact`.
        classes: The name of each class; None if they are not known yet.
        sample_rate: Of sound, in Hz; None for instances.
        is_exact: Whether the corpus will have exactly these sizes and classes.
        has_activity: False if it is known that the corpus has no labels in time.
        targets: Labels of the clips; None if they are not known yet.
    """

    name: str
    task: str
    num_features: int | None
    num_instances: int
    classes: tuple[str, ...] | None
    sample_rate: int | None = None
    is_exact: bool = False
    has_activity: bool = True
    targets: Targets | None = None
    is_tokens: ClassVar[bool] = False
    tokens: ClassVar[tuple[str, ...]] = ()

    @property
    def is_sound(self) -> bool:
        """Whether the clips are sound instead of instances."""
        return self.sample_rate is not None

    @property
    def sizes(self) -> dict[str, int | str] | None:
        """Keyword arguments of a method that depend on the corpus; None if they are not known."""
        width = 1 if self.is_sound else self.num_features
        if width is None or self.classes is None:
            return None
        return {
            "num_features": width,
            "num_instances": self.num_instances,
            "num_classes": len(self.classes),
            "task": self.task,
        }

    def check_labels(self) -> None:
        """Check that the classes can be learnt, as `check_corpus` does once clips are read.

        Raises:
            InputError: If they cannot.
        """
        if self.classes == ():
            raise InputError(no_labels(self.name))
        if self.targets is not None and self.classes is not None:
            ids, y, mask, train = self.targets
            check_targets(self.name, self.task, self.classes, ids, y, mask, train)


@runtime_checkable
class Outlined(Protocol):
    """A `Dataset` that has an outline; those that have nothing to prepare need none."""

    def outline(self) -> Outline | None:
        """Check folders and read annotations; return None if nothing is known before reading.

        Raises:
            InputError: If a folder or file is missing, or cannot be used.
        """


def outline_of(dataset: object) -> Outline | None:
    """Return the outline of a corpus, if it has one."""
    return dataset.outline() if isinstance(dataset, Outlined) else None
