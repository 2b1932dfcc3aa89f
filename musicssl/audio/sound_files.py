"""Sound decoded from the files of a corpus on demand, for corpora without a clip store."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray

from musicssl.audio.decode import count_samples, read_stretch
from musicssl.audio.files import file_identities
from musicssl.audio.full_scale import warn_beyond_full_scale
from musicssl.audio.inspection import decoding, inspect
from musicssl.audio.parallel import in_parallel
from musicssl.audio.unreadable import UnreadableAudioError
from musicssl.cache import build_checked, fingerprint
from musicssl.errors import InputError

_CHUNK = 256  # files that a worker takes at a time


@dataclass(frozen=True, eq=False)
class SoundFiles:
    """N audio files as a `Sound`; every read decodes the stretches, on several threads.

    libsndfile and soxr release the GIL, so threads are as fast as processes and need no copies
    between them.

    Attributes:
        root: Folder of the files.
        clip_ids: Path of each file relative to `root`, with `/`, (N).
        lengths: Number of samples of each file at `sample_rate`, (N,).
        sample_rate: Sample rate of the result, in Hz; files are resampled to it.
        unreadable: Path and fault of every file that was left out.
        folder: Folder in which `lengths` and `unreadable` are stored.
        num_threads: Number of threads that decode.
    """

    root: Path
    clip_ids: tuple[str, ...]
    lengths: NDArray[np.int64]
    sample_rate: int
    unreadable: dict[str, str]
    folder: Path
    num_threads: int

    @property
    def fingerprint(self) -> str:
        """A name for the samples, from the rate and each file's path, size and change time."""
        files = file_identities(self.root, self.clip_ids)
        settings = {"decoding": decoding(self.clip_ids), "sample_rate": self.sample_rate}
        return fingerprint({**settings, "files": files})

    def content(self) -> tuple[str, str]:
        """Return "files" and a hash of each file's path and size; copies have other times."""
        sizes = [identity[:2] for identity in file_identities(self.root, self.clip_ids)]
        return "files", fingerprint({"files": sizes})

    def read(
        self, rows: NDArray[np.int64], starts: NDArray[np.int64], num_samples: int
    ) -> NDArray[np.float32]:
        """Decode a stretch from each of several files; see `Sound`.

        Raises:
            UnreadableAudioError: If a file has damage that its headers did not show.
        """
        x = np.zeros((len(rows), num_samples), np.float32)  # (B, S)

        def fill(index: int) -> None:
            row, start = rows[index], int(starts[index])
            length = min(num_samples, int(self.lengths[row]) - start)
            path = self.root / self.clip_ids[row]
            try:
                stretch = read_stretch(path, self.sample_rate, start, length)
            except UnreadableAudioError as error:
                cause = (
                    f"{error.cause} (a clip store finds such files and leaves them out: --prepare)"
                )
                raise UnreadableAudioError(path, cause) from error
            if len(stretch) < length:
                raise UnreadableAudioError(path, "has become shorter since its length was read")
            x[index, :length] = stretch

        # A pool for each read: threads do not survive the fork of a process.
        with ThreadPoolExecutor(self.num_threads) as threads:
            list(threads.map(fill, range(len(rows))))
        return x


def sound_files(
    root: Path, clip_ids: Sequence[str], sample_rate: int, cache: Path, num_workers: int = -1
) -> SoundFiles:
    """Open the readable ones among some files, after reading the headers of all of them.

    Headers are read once: lengths and faults are stored in a folder named after the sample rate
    and the path, size and modification time of every file.

    Args:
        root: Folder of the files.
        clip_ids: Their paths relative to `root`, with `/`.
        sample_rate: Sample rate of the result, in Hz.
        cache: Folder of derived data.
        num_workers: Number of processes that read headers and of threads that decode; -1 for one
            per core.

    Raises:
        InputError: If none of the files can be read.
    """
    settings = {
        "decoding": decoding(clip_ids),
        "sample_rate": sample_rate,
        "files": file_identities(root, clip_ids),
    }

    def build(folder: Path) -> None:
        count = partial(_count, root=root, sample_rate=sample_rate)
        outcomes = dict(in_parallel(count, clip_ids, num_workers, "reading headers", _CHUNK))
        found = {clip: pair for clip, pair in outcomes.items() if isinstance(pair, tuple)}
        lengths = {clip: length for clip, (length, _) in found.items()}
        peaks = {clip: peak for clip, (_, peak) in found.items() if peak}
        unreadable = {clip: cause for clip, cause in outcomes.items() if isinstance(cause, str)}
        if not lengths:
            clip_id, cause = next(iter(unreadable.items()))
            raise InputError(
                f"none of the {len(clip_ids)} audio files under {root} can be used: "
                f"{clip_id} {cause}; point data.root at a folder of sound recordings."
            )
        index = {"lengths": lengths, "peaks": peaks, "unreadable": unreadable}
        (folder / "index.json").write_text(json.dumps(index, indent=1))

    folder = build_checked(cache / f"headers-{fingerprint(settings)}", build)
    index = json.loads((folder / "index.json").read_text())
    warn_beyond_full_scale(index["peaks"])
    return SoundFiles(
        root=root,
        clip_ids=tuple(index["lengths"]),
        lengths=np.array(list(index["lengths"].values()), np.int64),
        sample_rate=sample_rate,
        unreadable=index["unreadable"],
        folder=folder,
        num_threads=joblib.effective_n_jobs(num_workers),
    )


def _count(clip_id: str, root: Path, sample_rate: int) -> tuple[int, float] | str:
    """Return a file's length and peak, or its fault, so that other files go on."""
    path = root / clip_id
    try:
        return count_samples(path, sample_rate), inspect(path).peak
    except UnreadableAudioError as error:
        return error.cause
