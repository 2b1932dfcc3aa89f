"""Archives unpacked: all of one or nothing of it, and only below its folder."""

import shutil
import stat
import tarfile
import zlib
from gzip import GzipFile
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile

from rich.console import Console
from rich.progress import open as open_with_progress
from rich.progress import track

from musicssl.cache import build_once
from musicssl.errors import InputError

_CHUNK = 1 << 18  # bytes
_TAR_END = 1024  # zero bytes, at least
_FOLDERS_AND_FILES = (0, stat.S_IFDIR, stat.S_IFREG)  # 0: the zip does not say which


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack an archive as `folder`: all of it or, after an error or a kill, nothing.

    Only files and folders are unpacked, and only below `folder`. Corpora need no links, and a chain
    of links is what has misled Python's own "data" filter (CVE-2025-4517), so links are refused.
    Where the archive wraps everything in a folder of the same name as `folder`, that is `folder`.

    Args:
        archive: A .zip or .tar file; of any other name, a compressed .tar.gz file.
        folder: The folder that shall exist in the end; if it exists, nothing is done.

    Returns:
        `folder`.

    Raises:
        InputError: If the archive is damaged, has a member that would land outside of `folder` or
            is a link or a device, the disk is full, or this Python cannot unpack it (safely).
    """
    extract = _extract_zip if archive.suffix == ".zip" else _extract_tar
    if extract is _extract_tar and not hasattr(tarfile, "data_filter"):
        raise InputError(
            f"this Python cannot unpack {archive.name} safely; update it to 3.11.4 or newer."
        )
    damage = (tarfile.TarError, BadZipFile, EOFError, zlib.error, LZMAError, UnicodeDecodeError)
    try:
        return build_once(folder, lambda part: extract(archive, part, folder.name))
    except damage as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        if error.errno is None:  # not of the disk: gzip and bz2 say so what they cannot read
            raise _damaged(archive, error) from error
        raise InputError(
            f"cannot unpack {archive}: {error}; mend that (free some space?) and try again."
        ) from error


def _damaged(archive: Path, error: Exception) -> InputError:
    return InputError(f"{archive} is damaged ({error}); remove it and download it again.")


def _extract_tar(archive: Path, part: Path, wrapper: str) -> None:
    def inside(member: tarfile.TarInfo, destination: str) -> tarfile.TarInfo | None:
        plain = member.isreg() or member.isdir()
        name = _place(archive, member.name, plain, wrapper)
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
        while stream.read(_CHUNK):  # tarfile stops early, but gzip's checksum is at the very end
            pass


def _check_end(tar: BinaryIO) -> None:
    """Find a file that was cut between two members, which tarfile takes for a whole one."""
    tar.seek(-_TAR_END, 2)
    if any(tar.read()):
        raise tarfile.ReadError("its end is missing")


def _extract_zip(archive: Path, part: Path, wrapper: str) -> None:
    try:
        with ZipFile(archive) as file:
            description, console = f"unpacking {archive.name}", Console(stderr=True)
            for member in track(file.infolist(), description, console=console):
                plain = stat.S_IFMT(member.external_attr >> 16) in _FOLDERS_AND_FILES
                target = part / _place(archive, member.filename, plain, wrapper)
                if member.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with file.open(member) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink, _CHUNK)
    except RuntimeError as error:  # encrypted, or compressed in a way that zipfile does not know
        raise InputError(
            f"Python cannot unpack {archive} ({error}); unpack it by hand, with 7-Zip for one."
        ) from error


def _place(archive: Path, name: str, plain: bool, wrapper: str) -> PurePosixPath:
    """Return where below the folder a member belongs; `plain` if it is a file or a folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not plain:
        raise InputError(
            f"{archive} is not unpacked: its member {name!r} is a link or device or would land "
            "outside of its folder; get the archive from a source you trust."
        )
    return path.relative_to(wrapper) if path.parts[:1] == (wrapper,) else path
