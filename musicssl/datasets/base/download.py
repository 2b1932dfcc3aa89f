"""Download of public corpora, with resumption and verification of checksums."""

import hashlib
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from musicssl.datasets.base.unpack import unpack
from musicssl.errors import InputError

_CHUNK = 1 << 18  # bytes
_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Archive:
    """A published file of a corpus.

    Attributes:
        url: Its address.
        checksum: Checksum of the file: the algorithm's name in `hashlib`, a colon and the
            hexadecimal digits, as in "md5:e4ccf187e2bb5ab2e115416e8aafe7f4".
    """

    url: str
    checksum: str

    @property
    def name(self) -> str:
        """The file's name, which is the last part of the address."""
        return self.url.rsplit("/", maxsplit=1)[-1]


class _DroppedError(Exception):
    """The connection failed or ended too early; another attempt may succeed."""


def fetch(archive: Archive, folder: Path, attempts: int = 10, wait_seconds: float = 3.0) -> Path:
    """Download an archive, or resume an interrupted download.

    Data is stored in `NAME.part`, which gets its final name only after its checksum was verified:
    after a kill, a lost connection or a full disk, only the remainder has to be downloaded. If the
    server cannot send a part of a file, the download starts again.

    Args:
        archive: The archive.
        folder: Folder for the file; created if missing.
        attempts: Number of connections after which to give up.
        wait_seconds: Pause before each further connection, in seconds.

    Returns:
        The verified file. Nothing is downloaded if it exists already.

    Raises:
        InputError: If the connection fails (received data is kept), the server refuses the request,
            the disk is full, or the checksum of the file is wrong (a wrong download is removed).
    """
    target = folder / archive.name
    if target.exists():
        _verify(target, archive, f"remove {target} and run the same command again")
        return target
    part = target.with_name(f"{target.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _download(archive.url, part, attempts, wait_seconds)
    except OSError as error:
        raise InputError(
            f"cannot write {part}: {error.strerror}; fix that (free some space?) and run the same "
            "command again, which resumes the download."
        ) from error
    try:
        _verify(part, archive, "it was removed; run the same command again to download it anew")
    except InputError:
        part.unlink()
        raise
    return part.rename(target)


def fetch_joined(parts: Sequence[Archive], target: Path) -> Path:
    """Download a file that is published in parts, and concatenate the parts.

    Args:
        parts: Parts of the file, in order; they are stored beside `target` and removed at the end.
        target: The whole file; if it exists, nothing is done.

    Returns:
        `target`.

    Raises:
        InputError: See `fetch`; also if the disk is full.
    """
    if target.exists():
        return target
    files = [fetch(part, target.parent) for part in parts]
    whole = target.with_name(f"{target.name}.part")
    try:
        with whole.open("wb") as joined:
            for path in files:
                with path.open("rb") as file:
                    shutil.copyfileobj(file, joined, _CHUNK)
    except OSError as error:
        whole.unlink(missing_ok=True)
        raise InputError(
            f"cannot write {whole}: {error.strerror}; fix that (free some space?) and run the "
            "same command again."
        ) from error
    whole.rename(target)
    for path in files:
        path.unlink()
    return target


def fetch_unpacked(archive: Archive, root: Path, folder: Path) -> None:
    """Download an archive into `root` and unpack it as `folder`, unless `folder` exists.

    Raises:
        InputError: See `fetch` and `musicssl.datasets.base.unpack.unpack`.
    """
    if folder.is_dir():
        return
    file = fetch(archive, root)
    unpack(file, folder)
    print(f"unpacked as {folder}; {file} is no longer needed")


def _download(url: str, part: Path, attempts: int, wait_seconds: float) -> None:
    with _progress() as progress, part.open("ab") as file:
        task = progress.add_task(part.stem, total=None)
        for attempt in range(1, attempts + 1):
            try:
                _receive(url, file, progress, task)
                return
            except _DroppedError as error:
                if attempt == attempts:
                    raise InputError(
                        f"{url} could not be downloaded in {attempts} attempts ({error}); check "
                        f"the connection and run the same command again, which resumes from {part}."
                    ) from error
            time.sleep(wait_seconds)


def _receive(url: str, file: BinaryIO, progress: Progress, task: TaskID) -> None:
    """Append the missing bytes to `file`, with one connection."""
    offset = file.seek(0, 2)
    response = _connect(url, offset)
    if response is None:
        return
    with response:
        if response.status != 206:  # the server ignored the range: from the start
            file.truncate(0)
            offset = file.seek(0)
        length = response.headers["Content-Length"]
        total = None if length is None else offset + int(length)
        progress.update(task, total=total, completed=offset)
        for chunk in _chunks(response):
            file.write(chunk)
            progress.advance(task, len(chunk))
    if total is not None and file.tell() < total:
        raise _DroppedError(f"the connection ended at byte {file.tell()} of {total}")


def _connect(url: str, offset: int) -> HTTPResponse | None:
    """Request the bytes from `offset` on; return None if there are none."""
    request = Request(url, headers={"Range": f"bytes={offset}-"} if offset else {})
    try:
        response: HTTPResponse = urlopen(request, timeout=_TIMEOUT_SECONDS)
    except HTTPError as error:
        error.close()
        if error.code == 416:  # killed between the last byte and the renaming: it is complete
            return None
        if error.code == 429 or error.code >= 500:
            raise _DroppedError(f"the server answered {error.code} {error.reason}") from error
        raise InputError(
            f"{url} cannot be downloaded: the server answered {error.code} {error.reason}; "
            "look up where the corpus is published now."
        ) from error
    except (OSError, HTTPException) as error:
        raise _DroppedError(str(error)) from error
    return response


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except (OSError, HTTPException) as error:
            raise _DroppedError(str(error)) from error
        if not chunk:
            return
        yield chunk


def _verify(path: Path, archive: Archive, cure: str) -> None:
    algorithm, _, published = archive.checksum.partition(":")
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, algorithm).hexdigest()
    if actual != published:
        raise InputError(
            f"{path} has the {algorithm.upper()} checksum {actual}, not {published}, so it is "
            f"not the published file; {cure}."
        )


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
