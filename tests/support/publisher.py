"""A web server of this machine that publishes corpora, as hosts of the field do."""

import hashlib
import io
import resource
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from musicssl.datasets.base.download import Archive


class Publisher:
    """Publishes what lies in a folder.

    Attributes:
        requests: Names of the files that were asked for.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.requests: list[str] = []

    def file(self, name: str, content: bytes, algorithm: str = "md5") -> Archive:
        (self.folder / name).write_bytes(content)
        digest = hashlib.new(algorithm, content).hexdigest()
        return Archive(f"{self.url}/{name}", f"{algorithm}:{digest}")

    def zip(
        self,
        name: str,
        members: Mapping[str, bytes],
        algorithm: str = "md5",
        method: int = ZIP_DEFLATED,
    ) -> Archive:
        return self.file(name, zip_of(members, method), algorithm)

    def tar(self, name: str, members: Mapping[str, bytes], algorithm: str = "md5") -> Archive:
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as tar:
            for path, data in members.items():
                member = tarfile.TarInfo(path)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        return self.file(name, content.getvalue(), algorithm)


def zip_of(members: Mapping[str, bytes], method: int = ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with ZipFile(content, "w", method) as file:
        for path, data in members.items():
            file.writestr(path, data)
    return content.getvalue()


@contextmanager
def publishing(folder: Path) -> Iterator[Publisher]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            published.requests.append(self.path.lstrip("/"))

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        published = Publisher(folder, f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield published
        finally:
            server.shutdown()
            thread.join()


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but the locks of caches."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


PAYLOAD = np.random.default_rng(0).bytes(1_000_003)  # incompressible, no round number


@contextmanager
def largest_file(num_bytes: int) -> Iterator[None]:
    """Let writes fail past a size, as they do on a full disk (Python ignores SIGXFSZ)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
