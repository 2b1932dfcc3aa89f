"""Archives of public corpora: fetched in as many pieces as the line allows, verified, unpacked."""

import hashlib
import tarfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from gzip import BadGzipFile, GzipFile
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
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
from rich.progress import open as open_with_progress

from musicssl.cache import build_once
from musicssl.errors import InputError

_CHUNK = 1 << 18  # bytes
_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Archive:
    """Where a corpus is published, and the checksum of what is published there.

    Attributes:
        url: Address of a .tar.gz file.
        md5: Of the whole file, 32 hexadecimal digits.
    """

    url: str
    md5: str

    @property
    def name(self) -> str:
        """The last part of the address: the file's name."""
        return self.url.rsplit("/", maxsplit=1)[-1]


class _DroppedError(Exception):
    """The connection could not be made or ended before the file did; trying again may help."""


def fetch(archive: Archive, folder: Path, attempts: int = 10, wait_seconds: float = 3.0) -> Path:
    """Download an archive, or go on with a download that was broken off.

    What has arrived lies in `NAME.part` and takes its final name only when its checksum is right,
    so a kill, a lost line or a full disk costs nothing but the rest of the way. A server that
    cannot send a part of a file sends it from the start.

    Args:
        archive: What to download.
        folder: Where to put it; made if absent.
        attempts: Number of connections after which to give up.
        wait_seconds: Pause before each further connection, in seconds.

    Returns:
        The verified file. Nothing is downloaded if it was there before.

    Raises:
        InputError: If the line stays broken (what came is kept), the server refuses, the disk is
            full, or the checksum of the file is wrong (a wrong download is removed).
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
            f"cannot write {part}: {error.strerror}; mend that (free some space?) and run the same "
            "command again, it goes on where it stopped."
        ) from error
    try:
        _verify(part, archive, "it was removed; run the same command again to start anew")
    except InputError:
        part.unlink()
        raise
    return part.rename(target)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a .tar.gz file as `folder`: all of it or, after an error or a kill, nothing.

    Only files and folders are unpacked, and only below `folder`. Corpora need no links, and a chain
    of links is what has misled Python's own "data" filter (CVE-2025-4517), so links are refused.
    Where the archive wraps everything in a folder of the same name as `folder`, that is `folder`.

    Args:
        archive: A file as `fetch` returns it.
        folder: The folder that shall exist in the end; if it exists, nothing is done.

    Returns:
        `folder`.

    Raises:
        InputError: If the archive is damaged, has a member that would land outside of `folder` or
            is a link or a device, the disk is full, or this Python cannot unpack safely.
    """
    if not hasattr(tarfile, "data_filter"):
        raise InputError(
            f"this Python cannot unpack {archive.name} safely; update it to 3.11.4 or newer."
        )
    try:
        return build_once(folder, lambda part: _extract(archive, part, folder.name))
    except (tarfile.TarError, BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(
            f"{archive} is damaged ({error}); remove it and download it again."
        ) from error
    except OSError as error:
        raise InputError(
            f"cannot unpack {archive}: {error}; mend that (free some space?) and try again."
        ) from error


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
                        f"the line and run the same command again, it goes on from {part}."
                    ) from error
            time.sleep(wait_seconds)


def _receive(url: str, file: BinaryIO, progress: Progress, task: TaskID) -> None:
    """Append to `file` what it lacks, by one connection."""
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
    """Ask for the bytes from `offset` on; None if the server has none."""
    request = Request(url, headers={"Range": f"bytes={offset}-"} if offset else {})
    try:
        response: HTTPResponse = urlopen(request, timeout=_TIMEOUT_SECONDS)
    except HTTPError as error:
        error.close()
        if error.code == 416:  # killed between the last byte and the new name: all is there
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
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, "md5").hexdigest()
    if md5 != archive.md5:
        raise InputError(
            f"{path} has the MD5 checksum {md5} instead of {archive.md5}, so it is not the "
            f"published file; {cure}."
        )


def _extract(archive: Path, part: Path, wrapper: str) -> None:
    def inside(member: tarfile.TarInfo, destination: str) -> tarfile.TarInfo | None:
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts or not (member.isreg() or member.isdir()):
            raise InputError(
                f"{archive} is not unpacked: its member {member.name!r} is a link or device or "
                "would land outside of its folder; get the archive from a source you trust."
            )
        if name.parts[:1] == (wrapper,):
            member = member.replace(name=str(name.relative_to(wrapper)))
        return tarfile.data_filter(member, destination)

    with (
        open_with_progress(
            archive, "rb", description=f"unpacking {archive.name}", console=Console(stderr=True)
        ) as file,
        GzipFile(fileobj=file) as stream,
        tarfile.open(fileobj=stream, mode="r:") as tar,
    ):
        tar.extractall(part, filter=inside)
        while stream.read(_CHUNK):  # tarfile stops early, but gzip's checksum is at the very end
            pass


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
