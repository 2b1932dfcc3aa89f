"""Embeddings from a file, of this project or any other, as a corpus.

The file is .npz or .parquet; see `musicssl.datasets.formats.embeddings_file` for its content. A
clip is one instance of D features. Labels come from the file, or from another corpus that has the
same clips.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.data.checks import TASKS
from musicssl.data.corpus import Corpus, Dataset, embedded_corpus
from musicssl.datasets.formats.embeddings_file import SavedEmbeddings, read_embeddings
from musicssl.errors import InputError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EmbeddingsFile:
    """A corpus whose clips are embeddings from a file.

    Attributes:
        path: Path of the file.
        labels: The corpus of the clips, whose clips, labels, splits and groups are used; None to
            use those in the file.
    """

    path: str | Path | None
    labels: Dataset | None = None

    def prepare(self) -> None:
        """Prepare the corpus of the labels, if there is one."""
        if self.labels is not None:
            self.labels.prepare()

    def load(self) -> Corpus:
        """Read the file, and the corpus of the labels.

        Raises:
            InputError: If the file is missing or damaged, has no labels although `labels` is None,
                or lacks clips of that corpus.
        """
        if self.path is None:
            raise InputError("dataset.path is not set; set it to a .npz or .parquet file.")
        path = Path(self.path).expanduser()
        saved = read_embeddings(path)
        if self.labels is None:
            return _own_labels(path, saved)
        corpus = self.labels.load()
        return embedded_corpus(corpus, saved.embeddings[_rows(path, saved.clip_ids, corpus)])

    def audio(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """Return the sound of a clip, (S,) mono, and its sample rate in Hz, from `labels`."""
        if self.labels is None:
            raise InputError(f"clip {clip_id!r} is an embedding; its file has no sound.")
        return self.labels.audio(clip_id)


def _own_labels(path: Path, saved: SavedEmbeddings) -> Corpus:
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
        x=saved.embeddings[:, None, :],
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
