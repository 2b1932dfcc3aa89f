"""One feature vector for each clip, for classifiers that need no network."""

from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.clip_statistics import ClipStatistics
from musicssl.audio.instance_features import FrameStatistics
from musicssl.audio.waveform import Waveform
from musicssl.data.corpus import Corpus, Dataset
from musicssl.errors import InputError

Kind = Literal["mfcc", "log_mel", "both", "instances"]

KINDS = ("mfcc", "log_mel", "both", "instances")
_CHUNK = 1024  # clips at a time


def clip_features(dataset: Dataset, corpus: Corpus, kind: Kind) -> NDArray[np.float32]:
    """Compute one feature vector for each clip of a corpus.

    Statistics of sound are computed from the recordings of the dataset, whatever features the
    corpus has, and cached. See `musicssl.audio.clip_statistics`.

    Args:
        dataset: The dataset that the corpus was loaded from.
        corpus: The corpus.
        kind: "mfcc": 80 statistics of 20 cepstral coefficients. "log_mel": 256 statistics of 128
            bands. "both" of them. "instances": mean and standard deviation of the instances of the
            corpus, or the one instance that each clip has.

    Returns:
        Features, (N, D) float32, in the order of the clips of the corpus.

    Raises:
        InputError: If there is no such kind, or the corpus has no sound or no instances.
    """
    if kind not in KINDS:
        raise InputError(f"baseline.features must be one of {', '.join(KINDS)}, got {kind}.")
    if kind != "instances":
        return _of_sound(dataset, corpus)[:, ClipStatistics().columns[kind]]
    if corpus.is_sound:
        raise InputError(
            f"the clips of {corpus.name} are sound, not instances; choose baseline=mfcc_lr, or "
            "features=log_mel and an encoder of instances."
        )
    return instance_vectors(corpus.instances, corpus.lengths)


def has_sound(dataset: Dataset) -> bool:
    """Whether a dataset computes its features from sound and can compute others."""
    known = FrameStatistics | Waveform | ClipStatistics
    return (
        is_dataclass(dataset)
        and "features" in {field.name for field in fields(dataset)}
        and isinstance(getattr(dataset, "features", None), known)
    )


def instance_statistics(
    x: NDArray[np.float32], lengths: NDArray[np.int64] | None, with_std: bool = True
) -> NDArray[np.float32]:
    """Return the mean of each clip's instances, and their standard deviation behind it.

    Args:
        x: Instances, (N, T, F).
        lengths: Valid instances of each clip, (N,), or None for all T.
        with_std: Whether to append the standard deviations.

    Returns:
        Statistics, (N, F) or (N, 2 F) float32.
    """
    valid = np.ones(x.shape[:2], bool)
    if lengths is not None:
        valid = np.arange(x.shape[1]) < lengths[:, None]
    where = valid[..., None]
    mean: NDArray[np.float32] = x.mean(axis=1, where=where)
    if not with_std:
        return mean
    return np.concatenate([mean, x.std(axis=1, where=where)], axis=1)


def instance_vectors(
    x: NDArray[np.float32], lengths: NDArray[np.int64] | None
) -> NDArray[np.float32]:
    """Return one vector of each clip: the statistics of its instances, or its only instance.

    Args:
        x: Instances, (N, T, F), read some clips at a time.
        lengths: Valid instances of each clip, (N,), or None for all T.

    Returns:
        Means and standard deviations, (N, 2 F) float32; the instances, (N, F), if T is 1.
    """
    parts = []
    for start in range(0, len(x), _CHUNK):
        part = slice(start, start + _CHUNK)
        of_part = None if lengths is None else lengths[part]
        parts.append(instance_statistics(x[part], of_part, with_std=x.shape[1] > 1))
    return np.concatenate(parts)


def _of_sound(dataset: Dataset, corpus: Corpus) -> NDArray[np.float32]:
    if not has_sound(dataset):
        raise InputError(
            f"dataset={corpus.name} brings no sound of which MFCC or log-mel spectra could be "
            "computed; choose baseline=instances_lr, or baseline.features=instances."
        )
    described: Any = replace(dataset, features=ClipStatistics())  # type: ignore[type-var]
    described.prepare()
    found = described.load()
    row_of = {clip_id: row for row, clip_id in enumerate(found.clip_ids.tolist())}
    missing = [clip_id for clip_id in corpus.clip_ids.tolist() if clip_id not in row_of]
    if missing:
        raise InputError(
            f"{len(missing)} clips of {corpus.name} cannot be decoded as a whole, the first one is "
            f"{missing[0]}; repair or remove their files."
        )
    rows = [row_of[clip_id] for clip_id in corpus.clip_ids.tolist()]
    statistics: NDArray[np.float32] = found.instances[rows, 0]
    return statistics
