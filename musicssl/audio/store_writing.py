"""Write a clip store: decode in parallel, write in order, and journal every clip.

An interrupted build resumes from the journal. A line is written after the samples that it
describes, and is used later only if their checksum matches, so a kill, a power cut or a full disk
cannot leave a wrong clip.
"""

import json
import logging
import os
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.parallel import in_parallel
from musicssl.audio.store_index import SAMPLE_TYPE, SAMPLES, StoreIndex, quantise
from musicssl.audio.unreadable import UnreadableAudioError, printable_path
from musicssl.cache import fingerprint, line, write_all
from musicssl.errors import InputError, write_errors

Decode = Callable[[str], NDArray[np.float32]]
JOURNAL = "journal.jsonl"
_CHUNK = 8  # clips that a worker takes at a time
_SAMPLE_BYTES = 2
_write_errors = partial(write_errors, what="the clip store", kept="clips")
_Item = TypeVar("_Item")
_log = logging.getLogger(__name__)


class _Entry(NamedTuple):
    """A line of the journal: a clip that was written, or the `cause` why it was not."""

    clip_id: str
    length: int = 0
    crc32: int = 0
    clipped: int = 0
    cause: str | None = None


def write_store(
    folder: Path,
    clip_ids: Sequence[str],
    decode: Decode,
    sample_rate: int,
    num_workers: int,
    title: str,
) -> None:
    """Fill a folder with a clip store; resume an interrupted call.

    Args:
        folder: An empty folder, or one with the files of an interrupted call.
        clip_ids: Names of the clips.
        decode: Returns the samples of a clip, (S,), by its name; runs in worker processes.
        sample_rate: Sample rate of these samples, in Hz.
        num_workers: Number of processes; -1 for one per core.
        title: Title of the progress bar.

    Raises:
        InputError: If no clip can be decoded, or the disk is full or fails.
    """
    task = {"sample_rate": sample_rate, "clip_ids": list(clip_ids)}
    with _write_errors(folder):
        entries = _resume(folder, fingerprint(task), clip_ids)
    if entries:
        _log.info("resuming an interrupted clip store: %d clips are done", len(entries))
    rest = clip_ids[len(entries) :]
    work = partial(_decoded, decode=decode)
    with (
        _closing(in_parallel(work, rest, num_workers, title, _CHUNK)) as outcomes,
        (folder / SAMPLES).open("ab", buffering=0) as samples,
        (folder / JOURNAL).open("ab", buffering=0) as journal,
    ):
        for _, (entry, data) in outcomes:
            with _write_errors(folder):
                write_all(samples, data)
                write_all(journal, line(entry))
            entries.append(entry)
        with _write_errors(folder):
            os.fsync(samples.fileno())
    _check_any(folder, entries)
    with _write_errors(folder):
        _index(entries, sample_rate).write(folder)


def _decoded(clip_id: str, decode: Decode) -> tuple[_Entry, bytes]:
    """Return a clip's entry and samples; a fault is in the entry, so that other clips go on."""
    try:
        samples, clipped = quantise(decode(clip_id))
    except UnreadableAudioError as error:
        return _Entry(clip_id, cause=error.cause), b""
    if not len(samples):
        return _Entry(clip_id, cause="holds no samples"), b""
    data = samples.astype(SAMPLE_TYPE, copy=False).tobytes()
    return _Entry(clip_id, len(samples), zlib.crc32(data), clipped), data


def _resume(folder: Path, task: str, clip_ids: Sequence[str]) -> list[_Entry]:
    """Truncate samples and journal after the last valid entry, and return the valid entries.

    A journal of another task (other clips or another rate) is discarded.
    """
    samples, journal = folder / SAMPLES, folder / JOURNAL
    samples.touch()
    journal.touch()
    head, *lines = journal.read_bytes().splitlines(keepends=True) or [b""]
    if head != line([task]):
        head, lines = line([task]), []
        journal.write_bytes(head)
    entries = list(_trusted(samples, lines, clip_ids))
    os.truncate(samples, _SAMPLE_BYTES * sum(entry.length for entry in entries))
    os.truncate(journal, len(head) + sum(map(len, lines[: len(entries)])))
    return entries


def _trusted(samples: Path, lines: Sequence[bytes], clip_ids: Sequence[str]) -> Iterator[_Entry]:
    """Yield entries until one is incomplete, out of order, or does not match its samples."""
    with samples.open("rb") as file:
        for line, clip_id in zip(lines, clip_ids, strict=False):
            entry = _parsed(line)
            if entry is None or entry.clip_id != clip_id:
                return
            data = file.read(_SAMPLE_BYTES * entry.length)
            if len(data) < _SAMPLE_BYTES * entry.length or zlib.crc32(data) != entry.crc32:
                return
            yield entry


def _parsed(line: bytes) -> _Entry | None:
    if not line.endswith(b"\n"):
        return None  # cut off by a kill
    try:
        return _Entry(*json.loads(line))
    except (ValueError, TypeError):  # damaged by a power cut
        return None


@contextmanager
def _closing(work: Iterator[_Item]) -> Iterator[Iterator[_Item]]:
    """Stop parallel work and its bar before an error is shown, and hide joblib's warning."""
    items = (item for item in work)  # the only reference: closing it ends the work
    del work
    try:
        yield items
    finally:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"\d+ tasks ")
            items.close()


def _check_any(folder: Path, entries: Sequence[_Entry]) -> None:
    if any(entry.cause is None for entry in entries):
        return
    (folder / JOURNAL).unlink()  # or repaired files would still count as unreadable
    first = f"{entries[0].clip_id} {entries[0].cause}" if entries else "there is none"
    raise InputError(
        f"none of the {len(entries)} clips for a clip store can be used: {first}; "
        "point data.root at a folder of sound recordings."
    )


def _index(entries: Sequence[_Entry], sample_rate: int) -> StoreIndex:
    written = [entry for entry in entries if entry.cause is None]
    clipped = [entry for entry in written if entry.clipped]
    if clipped:
        _log.warning(
            "%d samples in %d clips exceeded full scale and were clipped, most of them in %s",
            sum(entry.clipped for entry in clipped),
            len(clipped),
            printable_path(max(clipped, key=lambda entry: entry.clipped).clip_id),
        )
    return StoreIndex(
        sample_rate=sample_rate,
        clip_ids=[entry.clip_id for entry in written],
        lengths=[entry.length for entry in written],
        crc32=[entry.crc32 for entry in written],
        clipped=[entry.clipped for entry in written],
        unreadable={e.clip_id: e.cause for e in entries if e.cause is not None},
    )
