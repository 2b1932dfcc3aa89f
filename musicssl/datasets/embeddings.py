"""Embeddings from a file, of this project or any other, as a corpus.

The file is .npz or .parquet; see `musicssl.datasets.formats.embeddings_file` for its content. A
clip has the T instances of D features that the file has of it, or one. Labels come from the file,
or from another corpus that has the same clips.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.data.checks import TASKS
from musicssl.data.corpus import Corpus, Dataset
from musicssl.datasets.formats.embeddings_file import SavedEmbeddings, read_embeddings
from musicssl.datasets.formats.embeddings_layers import instances
from musicssl.errors import InputError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EmbeddingsFile:
    """A corpus whose clips are embeddings from a file.

    Attributes:
        path: Path of the file.
        labels: The corpus of the clips, whose clips, labels, splits and groups are used; None to
            use those in the file.
        layer: Of a file with layers: name or number of one, or "all" for all side by side; see
            `musicssl.datasets.formats.embeddings_layers.instances`.
    """

    path: str | Path | None
    labels: Dataset | None = None
    layer: str | int | None = None

    def prepare(self) -> None:
        """Prepare the corpus of the labels, if there is one."""
        if self.labels is not None:
            self.labels.prepare()

    def load(self) -> Corpus:
        """Read the file, and the corpus of the labels.

        Embeddings that are mapped stay so, if the clips of `labels` are in the order of the file.

        Raises:
            InputError: If the file is missing or damaged, has no labels although `labels` is None,
                lacks clips of that corpus, or has no such layer.
        """
        path, saved = self.read()
        x = instances(path, saved, self.layer, "dataset.layer")
        return self.corpus_of(path, saved, x, saved.lengths)

    def read(self) -> tuple[Path, SavedEmbeddings]:
        """Return the path and the content of the file.

        Raises:
            InputError: If it is missing or damaged.
        """
        if self.path is None:
            raise InputError("dataset.path is not set; set it to a .npz or .parquet file.")
        path = Path(self.path).expanduser()
        return path, read_embeddings(path)

    def corpus_of(
        self,
        path: Path,
        saved: SavedEmbeddings,
        x: NDArray[np.float32],
        lengths: NDArray[np.int64] | None = None,
    ) -> Corpus:
        """Return a corpus of what was made of the embeddings.

        Args:
            path: Of the file.
            saved: Its content.
            x: Instances of all of its clips, (N, T, D).
            lengths: Valid ones of each, (N,), if not all are.

        Raises:
            InputError: See `load`.
        """
        if self.labels is None:
            corpus, rows = _own_labels(path, saved, x), np.arange(len(x))
        else:
            corpus = self.labels.load()
            rows = _rows(path, saved.clip_ids, corpus)
        if lengths is not None and (lengths == x.shape[1]).all():
            lengths = None
        return replace(
            corpus,
            x=_taken(x, rows),
            lengths=None if lengths is None else lengths[rows],
            activity=None,
            instance_seconds=_instance_seconds(saved) or corpus.instance_seconds,
        )

    def audio(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """Return the sound of a clip, (S,) mono, and its sample rate in Hz, from `labels`."""
        if self.labels is None:
            raise InputError(f"clip {clip_id!r} is an embedding; its file has no sound.")
        return self.labels.audio(clip_id)


def _own_labels(path: Path, saved: SavedEmbeddings, x: NDArray[np.float32]) -> Corpus:
    missing = [
        name
        for name in ("targets", "mask", "split", "classes", "task")
        if getattr(saved, name) is None
    ]
    if saved.targets is None or saved.mask is None or saved.split is None or missing:
        tasks = f" ('task' is one of {', '.join(TASKS)})" if "task" in missing else ""
        raise InputError(
            f"{path} has no {', '.join(missing)}; add it to the file{tasks}, or name the corpus of "
            "the clips with dataset=NAME in probe.py, dataset@dataset.labels=NAME in train.py."
        )
    assert saved.classes is not None
    assert saved.task is not None
    return Corpus(
        name="embeddings",
        classes=tuple(saved.classes.tolist()),
        x=x,
        y=saved.targets,
        mask=saved.mask,
        split=saved.split,
        clip_ids=saved.clip_ids,
        groups=saved.groups,
        task=saved.task,
        credit=saved.credit,
    )


def _rows(path: Path, clip_ids: NDArray[np.str_], corpus: Corpus) -> NDArray[np.int64]:
    """Find the clips of a corpus among those of the file, by name."""
    row_of = {clip_id: row for row, clip_id in enumerate(clip_ids.tolist())}
    wanted = corpus.clip_ids.tolist()
    missing = [clip_id for clip_id in wanted if clip_id not in row_of]
    if missing:
        raise InputError(
            f"{path} lacks {len(missing)} of the {len(wanted)} clips of {corpus.name}, "
            f"{missing[0]!r} being the first; its clips have names such as {str(clip_ids[0])!r}."
        )
    extra = len(row_of) - len(wanted)
    if extra:
        _log.info("%s has %d clips that are not in %s; left out.", path, extra, corpus.name)
    return np.array([row_of[clip_id] for clip_id in wanted], np.int64)


def _taken(x: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return some clips, as a view if they follow each other."""
    first = int(rows[0])
    if (rows == np.arange(first, first + len(rows))).all():
        return x[first : first + len(rows)]
    return x[rows]


def _instance_seconds(saved: SavedEmbeddings) -> float | None:
    """Return the time from one instance to the next in the longest clip, if it is known."""
    if saved.times is None or saved.times.shape[1] < 2:
        return None
    longest = 0 if saved.lengths is None else int(saved.lengths.argmax())
    step = float(saved.times[longest, 1, 0] - saved.times[longest, 0, 0])
    return step if step > 0 else None
