"""Embeddings from files, of this project or any other, as a corpus.

A file is .npz or .parquet; see `musicssl.datasets.formats.embeddings_file` for its content. A clip
has the T instances of D features that the file has of it, or one. Labels come from the file, or
from another corpus that has the same clips.

Several files, or a file and the features of the corpus of the labels, are put side by side: see
`EmbeddingsFile.load`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.data.checks import TASKS
from musicssl.data.clip_features import instance_vectors
from musicssl.data.corpus import Corpus, Dataset
from musicssl.data.outline import Outline, outline_of
from musicssl.datasets.formats.embeddings_file import (
    SavedEmbeddings,
    check_embeddings_file,
    read_embeddings,
)
from musicssl.datasets.formats.embeddings_layers import instances
from musicssl.errors import InputError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EmbeddingsFile:
    """A corpus whose clips are embeddings from a file, or from several side by side.

    Attributes:
        path: Path of the file, or a list of paths.
        labels: The corpus of the clips, whose clips, labels, splits and groups are used; None to
            use those in the file, of several files those in the first.
        layer: Of files with layers: name or number of one, or "all" for all side by side; see
            `musicssl.datasets.formats.embeddings_layers.instances`. Of several files it applies to
            those that have layers.
        with_features: Whether to put the features of the corpus of the labels behind those of the
            files.
    """

    path: str | Path | Sequence[str | Path] | None
    labels: Dataset | None = None
    layer: str | int | None = None
    with_features: bool = False

    def outline(self) -> Outline | None:
        """Look for the files, and read the annotations of the corpus of the labels.

        Raises:
            InputError: If a file is missing or, of a single file, damaged or without such a layer.
        """
        paths = self._paths()
        for path in paths:
            check_embeddings_file(path)
        labels = outline_of(self.labels)
        if labels is None:  # nothing is prepared before `load` says the rest
            return None
        known = replace(labels, num_features=None, sample_rate=None, num_instances=1)
        known = replace(known, is_exact=False, has_activity=False)
        if len(paths) > 1 or self.with_features:
            return known
        x = instances(paths[0], read_embeddings(paths[0]), self.layer, "dataset.layer")
        return replace(known, num_instances=x.shape[1], num_features=x.shape[2])

    def prepare(self) -> None:
        """Prepare the corpus of the labels, if there is one."""
        if self.labels is not None:
            self.labels.prepare()

    def load(self) -> Corpus:
        """Read the files, and the corpus of the labels.

        A single file keeps its instances. Embeddings that are mapped stay so, if the clips of
        `labels` are in the order of the file.

        Several sources, that is files and the features of `labels`, can have different numbers of
        instances. Each source is therefore reduced to one vector of a clip by
        `musicssl.data.clip_features.instance_vectors`: mean and standard deviation over valid
        instances, or the one vector that it has. The vectors of a clip are concatenated to one
        instance, (N, 1, D1 + D2 + ...), in the order of `path`, the features last.

        Raises:
            InputError: If a file is missing or damaged, has no labels although it is the first and
                `labels` is None, lacks clips of the corpus, or has no such layer; if no file is
                named; or if there are no features to put beside them.
        """
        paths = self._paths()
        if len(paths) == 1 and not self.with_features:
            saved = read_embeddings(paths[0])
            x = instances(paths[0], saved, self.layer, "dataset.layer")
            return self.corpus_of(paths[0], saved, x, saved.lengths)
        return self.side_by_side()

    def _paths(self) -> list[Path]:
        if self.path is None:
            raise InputError("dataset.path is not set; set it to a .npz or .parquet file.")
        paths = [self.path] if isinstance(self.path, str | Path) else list(self.path)
        if not paths:
            raise InputError(
                "dataset.path=[] names no file; name one or several, 'dataset.path=[a.npz,b.npz]'."
            )
        return [Path(str(path)).expanduser() for path in paths]

    def corpus_of(
        self,
        path: Path,
        saved: SavedEmbeddings,
        x: NDArray[np.float32],
        lengths: NDArray[np.int64] | None = None,
    ) -> Corpus:
        """Return a corpus of what was made of the embeddings of one file.

        Args:
            path: Path of the file.
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
            rows = _rows(path, saved.clip_ids, corpus.clip_ids, corpus.name)
        if lengths is not None and (lengths == x.shape[1]).all():
            lengths = None
        return replace(
            corpus,
            x=_taken(x, rows),
            lengths=None if lengths is None else lengths[rows],
            activity=None,
            instance_seconds=_instance_seconds(saved) or corpus.instance_seconds,
        )

    def side_by_side(self, setting: str = "dataset.layer") -> Corpus:
        """Return a corpus with one instance a clip, of all sources; see `load`.

        Args:
            setting: That chooses the layer, for messages.

        Raises:
            InputError: See `load`.
        """
        paths = self._paths()
        corpus = None if self.labels is None else self.labels.load()
        features = [self._features(corpus)] if self.with_features else []
        parts, has_layers = [], False
        for path in paths:
            saved = read_embeddings(path)
            has_layers = has_layers or saved.layers is not None
            layer = None if saved.layers is None else self.layer
            x = instances(path, saved, layer, setting)
            vectors = instance_vectors(x, saved.lengths)
            if corpus is None:
                corpus = _own_labels(path, saved, vectors[:, None])
            name = str(paths[0]) if self.labels is None else corpus.name
            parts.append(vectors[_rows(path, saved.clip_ids, corpus.clip_ids, name)])
            del saved, x  # of a file that is not mapped, before the next one fills the memory
        if self.layer is not None and not has_layers:
            raise InputError(
                f"none of {', '.join(map(str, paths))} has layers; leave out "
                f"{setting}={self.layer}."
            )
        assert corpus is not None
        x = np.concatenate([*parts, *features], axis=1)[:, None]
        return replace(corpus, x=x, lengths=None, activity=None)

    def _features(self, corpus: Corpus | None) -> NDArray[np.float32]:
        """Return one vector of features of each clip of the corpus of the labels, (N, D)."""
        if corpus is None:
            raise InputError(
                "dataset.with_features=true puts the features of a corpus beside the files; name "
                "this corpus with dataset@dataset.labels=NAME."
            )
        if corpus.is_sound or corpus.is_tokens:
            cure = "features=waveform, or choose features=log_mel_mfcc" if corpus.is_sound else ""
            kind = "sound" if corpus.is_sound else "tokens"
            raise InputError(
                f"dataset.with_features=true needs clips with features, but those of {corpus.name} "
                f"are {kind}; leave out {cure or 'dataset.with_features'}."
            )
        return instance_vectors(corpus.instances, corpus.lengths)

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


def _rows(
    path: Path, clip_ids: NDArray[np.str_], of_corpus: NDArray[np.str_], name: str
) -> NDArray[np.int64]:
    """Find the clips of a corpus with a name among those of the file."""
    row_of = {clip_id: row for row, clip_id in enumerate(clip_ids.tolist())}
    wanted = of_corpus.tolist()
    missing = [clip_id for clip_id in wanted if clip_id not in row_of]
    if missing:
        raise InputError(
            f"{path} lacks {len(missing)} of the {len(wanted)} clips of {name}, "
            f"{missing[0]!r} being the first; its clips have names such as {str(clip_ids[0])!r}."
        )
    extra = len(row_of) - len(wanted)
    if extra:
        _log.info("%s has %d clips that are not in %s; left out.", path, extra, name)
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
