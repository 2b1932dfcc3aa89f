"""Sound read from the files of a corpus as it is needed, for want of a clip store."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray

from musicssl.audio.decode import DECODING, UnreadableAudioError, count_samples, read_stretch
from musicssl.audio.files import file_identities
from musicssl.audio.parallel import in_parallel
from musicssl.cache import build_once, fingerprint
from musicssl.errors import InputError

_CHUNK = 256  # files a worker looks at at a time


@dataclass(frozen=True, eq=False)
class SoundFiles:
    """N audio files as a `Sound`: each read decodes what it needs, on several threads.

    libsndfile and soxr let go of Python's lock while they work, so threads serve as well as
    processes would, and nothing has to be sent between them.

    Attributes:
        root: Folder that the files lie in.
        clip_ids: Path of each file relative to it, with `/`, (N).
        lengths: Samples of each file at `sample_rate`, (N,).
        sample_rate: In Hz, whatever the files have.
        unreadable: Of each file that was left out its path and what is wrong with it.
        folder: Where lengths and causes are kept.
        num_threads: That decode at a time.
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
        """A name of these samples: the rate and path, size and modification time of each file."""
        files = file_identities(self.root, self.clip_ids)
        settings = {"decoding": DECODING, "sample_rate": self.sample_rate, "files": files}
        return fingerprint(settings)

    def read(
        self, rows: NDArray[np.int64], starts: NDArray[np.int64], num_samples: int
    ) -> NDArray[np.float32]:
        """Decode a stretch of each of some files; see `Sound`.

        Raises:
            UnreadableAudioError: If a file is damaged, which its headers did not tell.
        """
        x = np.zeros((len(rows), num_samples), np.float32)  # (B, S)

        def fill(place: int) -> None:
            row, start = rows[place], int(starts[place])
            there = min(num_samples, int(self.lengths[row]) - start)
            path = self.root / self.clip_ids[row]
            try:
                stretch = read_stretch(path, self.sample_rate, start, there)
            except UnreadableAudioError as error:
                cause = (
                    f"{error.cause} (a clip store finds such files and leaves them out: --prepare)"
                )
                raise UnreadableAudioError(path, cause) from error
            if len(stretch) < there:
                raise UnreadableAudioError(path, "has become shorter since its length was read")
            x[place, :there] = stretch

        with ThreadPoolExecutor(self.num_threads) as threads:  # forked processes inherit no thread
            list(threads.map(fill, range(len(rows))))
        return x


def sound_files(
    root: Path, clip_ids: Sequence[str], sample_rate: int, cache: Path, num_workers: int = -1
) -> SoundFiles:
    """Open those of some files that are sound, after looking at the headers of all.

    That is done once: lengths and what cannot be read are kept in a folder whose name is the rate
    and the path, size and modification time of every file.

    Args:
        root: Folder that the files lie in.
        clip_ids: Their paths relative to `root`, with `/`.
        sample_rate: To read them at, in Hz.
        cache: Folder of derived data.
        num_workers: Processes that look, and threads that decode; -1 for one per core.

    Raises:
        InputError: If none of the files can be read.
    """
    settings = {"sample_rate": sample_rate, "files": file_identities(root, clip_ids)}

    def build(folder: Path) -> None:
        count = partial(_count, root=root, sample_rate=sample_rate)
        outcomes = dict(in_parallel(count, clip_ids, num_workers, "reading headers", _CHUNK))
        lengths = {clip: found for clip, found in outcomes.items() if isinstance(found, int)}
        unreadable = {clip: found for clip, found in outcomes.items() if isinstance(found, str)}
        if not lengths:
            clip_id, cause = next(iter(unreadable.items()))
            raise InputError(
                f"none of the {len(clip_ids)} audio files under {root} can be used: "
                f"{clip_id} {cause}; point data.root at a folder of sound recordings."
            )
        index = {"lengths": lengths, "unreadable": unreadable}
        (folder / "index.json").write_text(json.dumps(index, indent=1))

    folder = build_once(cache / f"headers-{fingerprint(settings)}", build)
    index = json.loads((folder / "index.json").read_text())
    return SoundFiles(
        root=root,
        clip_ids=tuple(index["lengths"]),
        lengths=np.array(list(index["lengths"].values()), np.int64),
        sample_rate=sample_rate,
        unreadable=index["unreadable"],
        folder=folder,
        num_threads=joblib.effective_n_jobs(num_workers),
    )


def _count(clip_id: str, root: Path, sample_rate: int) -> int | str:
    """Return a file's length or what is wrong with it, so that the others go on."""
    try:
        return count_samples(root / clip_id, sample_rate)
    except UnreadableAudioError as error:
        return error.cause
