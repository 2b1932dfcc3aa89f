"""Unpack archives atomically, and only inside their folder."""

import shutil
import stat
import tarfile
from gzip import GzipFile
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile

from rich.console import Console
from rich.progress import open as open_with_progress
from rich.progress import track

from musicssl.cache import build_once
from musicssl.errors import InputError
from musicssl.limits import DAMAGE, growth_fault

_CHUNK = 1 << 18  # bytes
_MALFORMED: tuple[type[Exception], ...] = (tarfile.TarError, *DAMAGE)
_TAR_END = 1024  # zero bytes, at least
_FOLDERS_AND_FILES = (0, stat.S_IFDIR, stat.S_IFREG)  # 0: the zip does not state the type


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack an archive as `folder`: all of it or, after an error or a kill, nothing.

    Only files and folders are unpacked, and only inside `folder`. Links raise an error: corpora do
    not need them, and chains of links can bypass Python's own "data" filter (CVE-2025-4517). If the
    archive wraps everything in a folder of the same name as `folder`, that level is removed.

    Nothing is unpacked of a .zip that would take more space than `musicssl.limits.growth_fault`
    allows, or than is free; of a .tar, which has no directory, unpacking ends there.

    Args:
        archive: A .zip or .tar file; with any other suffix, a compressed .tar.gz file.
        folder: The folder to create; if it exists, nothing is done.

    Returns:
        `folder`.

    Raises:
        InputError: If the archive is damaged, has a member that would be outside of `folder` or is
            a link or a device, would take too much space, the disk is full, or this version of
            Python cannot unpack it (safely).
    """
    extract = _extract_zip if archive.suffix == ".zip" else _extract_tar
    if extract is _extract_tar and not hasattr(tarfile, "data_filter"):
        raise InputError(
            f"this Python cannot unpack {archive.name} safely; update it to 3.11.4 or newer."
        )
    try:
        return build_once(folder, lambda part: extract(archive, part, folder.name))
    except InputError:
        raise
    except OSError as error:
        if error.errno is None:  # from gzip or bz2, which cannot read the archive
            raise _damaged(archive, error) from error
        raise InputError(
            f"cannot unpack {archive}: {error}; fix that (free some space?) and try again."
        ) from error
    except _MALFORMED as error:
        raise _damaged(archive, error) from error


def _damaged(archive: Path, error: Exception) -> InputError:
    return InputError(f"{archive} is damaged ({error}); remove it and download it again.")


def _extract_tar(archive: Path, part: Path, wrapper: str) -> None:
    unpacked = 0

    def inside(member: tarfile.TarInfo, destination: str) -> tarfile.TarInfo | None:
        nonlocal unpacked
        unpacked += member.size
        _check_space(archive, part, unpacked, member.size)
        plain = member.isreg() or member.isdir()
        name = _target(archive, member.name, plain, wrapper)
        return tarfile.data_filter(member.replace(name=str(name)), destination)

    with (
        open_with_progress(
            archive, "rb", description=f"unpacking {archive.name}", console=Console(stderr=True)
        ) as file,
        file if archive.suffix == ".tar" else GzipFile(fileobj=file) as stream,
        tarfile.open(fileobj=stream, mode="r:") as tar,
    ):
        tar.extractall(part, filter=inside)
        if archive.suffix == ".tar":
            _check_end(file)
        while stream.read(_CHUNK):  # tarfile stops before gzip's checksum at the end of the file
            pass


def _check_end(tar: BinaryIO) -> None:
    """Detect a file that was truncated between two members, which tarfile does not notice."""
    tar.seek(-_TAR_END, 2)
    if any(tar.read()):
        raise tarfile.ReadError("its end is missing")


def _extract_zip(archive: Path, part: Path, wrapper: str) -> None:
    try:
        with ZipFile(archive) as file:
            unpacked = sum(member.file_size for member in file.infolist())
            _check_space(archive, part, unpacked, unpacked)
            description, console = f"unpacking {archive.name}", Console(stderr=True)
            for member in track(file.infolist(), description, console=console):
                if not member.filename:  # of a damaged list; is_dir() fails on it
                    raise BadZipFile("a member has no name")
                plain = stat.S_IFMT(member.external_attr >> 16) in _FOLDERS_AND_FILES
                target = part / _target(archive, member.filename, plain, wrapper)
                if member.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with file.open(member) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink, _CHUNK)
    except RuntimeError as error:  # encrypted, or an unsupported compression
        raise InputError(
            f"Python cannot unpack {archive} ({error}); unpack it by hand, for example with 7-Zip."
        ) from error


def _check_space(archive: Path, part: Path, unpacked: int, needed: int) -> None:
    """Refuse an archive that makes far more of itself than corpora do, or more than there is room.

    Args:
        archive: To be unpacked.
        part: Where.
        unpacked: Bytes that it unpacks to, as far as that is known.
        needed: Bytes that will be written next.
    """
    if fault := growth_fault(unpacked, archive.stat().st_size):
        raise InputError(f"{archive} {fault}; get the archive from a source you trust.")
    free = shutil.disk_usage(part).free
    if needed > free:
        raise InputError(
            f"{archive} needs {needed:,} bytes on the disk of {part.parent}, where {free:,} are "
            "free; make room, or unpack it on another disk."
        )


def _target(archive: Path, name: str, plain: bool, wrapper: str) -> PurePosixPath:
    """Return the path of a member relative to the folder; `plain`: it is a file or a folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not plain:
        raise InputError(
            f"{archive} is not unpacked: its member {name!r} is a link or device or would be "
            "outside of its folder; get the archive from a source you trust."
        )
    return path.relative_to(wrapper) if path.parts[:1] == (wrapper,) else path
