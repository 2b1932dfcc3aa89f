"""What embeddings depend on, told by names."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicssl.data.corpus import Corpus

_CHUNK = 1024  # clips hashed at a time: of a memory map no more is held


def corpus_identity(corpus: Corpus) -> dict[str, Any]:
    """Say which clips a corpus has and what they are made of, in values that JSON can hold.

    Labels and splits are not part of it: other annotations of the same clips leave their embeddings
    as they are. Instances are read once; of sound nothing is.

    Returns:
        Its name, hashes of the names of its clips and of `x` and `lengths`; of sound the
        fingerprint and the sample rate in Hz instead of the latter.
    """
    names = "\n".join(corpus.clip_ids.tolist())
    identity: dict[str, Any] = {"name": corpus.name, "clip_ids": _hash(iter([names.encode()]))}
    if not isinstance(corpus.x, np.ndarray):
        return identity | {"sound": corpus.x.fingerprint, "sample_rate": corpus.x.sample_rate}
    identity["x"] = _hash_of_array(corpus.x)
    identity["lengths"] = None if corpus.lengths is None else _hash_of_array(corpus.lengths)
    return identity


def _hash_of_array(array: NDArray[Any]) -> str:
    def parts() -> Iterator[bytes]:
        yield f"{array.dtype.str} {array.shape}".encode()
        for start in range(0, len(array), _CHUNK):
            yield array[start : start + _CHUNK].tobytes()

    return _hash(parts())


def _hash(parts: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
