"""Outputs of a teacher for the clips of a corpus: a table of embeddings or logits, by clip name."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.corpus import Corpus
from musicssl.errors import InputError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TeacherTable:
    """One vector for each of M clips, computed once before training.

    Attributes:
        values: Embeddings or logits, (M, E) float32, an array or a memory map.
        clip_ids: The name of each clip, (M,) str.
        kind: Whether these are embeddings, of any width, or logits of the corpus's classes.
        name: What messages call it, such as the path of its file.
    """

    values: NDArray[np.float32]
    clip_ids: NDArray[np.str_]
    kind: Literal["embeddings", "logits"]
    name: str


class Teacher:
    """The rows of a table by the rows of a corpus.

    Attributes:
        kind: See `TeacherTable`.
        name: See `TeacherTable`.
        width: Values of each clip, E.

    Args:
        table: With a row for each clip, in any order; it may lack clips and have others.
        clip_ids: The names of the corpus's clips, (N,) str. If a name occurs twice, which happens
            with two corpora, the first clip counts, in both lists, and the second has no outputs.
        num_classes: Number of classes, C, which is the width of logits.

    Raises:
        InputError: If logits have another width, or there is no clip of the corpus in the table.
    """

    def __init__(self, table: TeacherTable, clip_ids: Sequence[str], num_classes: int) -> None:
        self.kind, self.name = table.kind, table.name
        self.width = width = int(table.values.shape[1])
        if table.kind == "logits" and width != num_classes:
            raise InputError(
                f"{table.name} has {width} values of each clip, but as logits they must be the "
                f"{num_classes} of the corpus's classes; teacher_embeddings={table.name} takes "
                "them as embeddings."
            )
        self._values = table.values
        names = table.clip_ids.tolist()
        row_of = {names[row]: row for row in reversed(range(len(names)))}
        # A second clip of the same name is another clip, so that each row is used up.
        self._index = np.array([row_of.pop(str(clip_id), -1) for clip_id in clip_ids], np.int64)
        self._knows_all = bool((self._index >= 0).all())
        if (self._index < 0).all():
            raise InputError(
                f"{table.name} has none of the {len(clip_ids):,} clips of the corpus; its clips "
                f"have names such as {str(table.clip_ids[0])!r}, those of the corpus such as "
                f"{str(clip_ids[0])!r}; choose a file made for it."
            )

    def knows(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for which clips of the corpus there are values, (B,) bool."""
        known: NDArray[np.bool_] = self._index[rows] >= 0
        return known

    def values(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the values of clips that it knows, (B, E)."""
        return torch.from_numpy(np.take(self._values, self._index[rows], axis=0))

    def added_to(self, batch: Batch, rows: NDArray[np.int64]) -> Batch:
        """Return a batch with the outputs of the teacher; `rows`, (B,), are those of the corpus.

        All batches of a corpus have a `teacher_mask` if the teacher lacks one of its clips.
        """
        known = self.knows(rows)
        values = torch.from_numpy(np.take(self._values, np.maximum(self._index[rows], 0), axis=0))
        return batch._replace(
            teacher=values, teacher_mask=None if self._knows_all else torch.from_numpy(known)
        )


def teacher_of(
    table: TeacherTable, corpora: Sequence[Corpus], training_rows: NDArray[np.int64]
) -> Teacher:
    """Return the teacher of a run, which must know some of its training clips.

    Args:
        table: The outputs of the teacher.
        corpora: The corpus of the run, then the unlabelled corpus if there is one.
        training_rows: Clips that training batches may hold; rows of the second corpus follow those
            of the first.

    Raises:
        InputError: If it knows none of the training clips, or its width does not fit.
    """
    corpus = corpora[0]
    names = np.concatenate([one.clip_ids for one in corpora]).tolist()
    teacher = Teacher(table, names, len(corpus.classes))
    known = teacher.knows(training_rows)
    if not known.any():
        raise InputError(
            f"{table.name} has no training clip of {corpus.name}; extract the {table.kind} of all "
            "its clips."
        )
    if not known.all():
        _log.info(
            "%s lacks %s of %s training clips, which learn from their labels alone.",
            table.name,
            f"{(~known).sum():,}",
            f"{len(known):,}",
        )
    return teacher
