import gzip
import hashlib
import io
import re
import resource
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from musicssl.download import Archive, fetch, unpack
from musicssl.errors import InputError

PAYLOAD = np.random.default_rng(0).bytes(1_000_003)  # incompressible, no round number


class Handler(BaseHTTPRequestHandler):
    server: "Files"

    def do_GET(self) -> None:
        files = self.server
        asked = self.headers["Range"]
        files.ranges.append(asked)
        if files.errors:
            self.send_error(files.errors.pop(0))
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and files.ranged else 0
        if start >= len(files.payload):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            last = len(files.payload) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
        self.send_header("Content-Length", str(len(files.payload) - start))
        self.end_headers()
        rest = files.payload[start:]
        if files.drops > 0:
            files.drops -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)  # HTTP/1.0: the connection ends here

    def log_message(self, format: str, *args: object) -> None:
        pass


class Files(ThreadingHTTPServer):
    """One file; `drops` connections end half way, `errors` are answered first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.payload = PAYLOAD
        self.ranged = True
        self.drops = 0
        self.errors: list[int] = []
        self.ranges: list[str | None] = []

    @property
    def archive(self) -> Archive:
        url = f"http://127.0.0.1:{self.server_port}/corpus.tgz"
        return Archive(url, hashlib.md5(PAYLOAD).hexdigest())


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Files() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


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


def test_a_dropped_connection_is_resumed_by_a_range(files: Files, tmp_path: Path) -> None:
    files.drops = 1
    path = fetch(files.archive, tmp_path / "new", wait_seconds=0)
    assert path.read_bytes() == PAYLOAD
    assert files.ranges == [None, f"bytes={len(PAYLOAD) // 2}-"]
    assert names(tmp_path / "new") == ["corpus.tgz"]


def test_a_later_run_goes_on_from_the_part_file(files: Files, tmp_path: Path) -> None:
    (tmp_path / "corpus.tgz.part").write_bytes(PAYLOAD[:1000])
    assert fetch(files.archive, tmp_path, wait_seconds=0).read_bytes() == PAYLOAD
    assert files.ranges == ["bytes=1000-"]


def test_a_whole_part_file_only_gets_its_name(files: Files, tmp_path: Path) -> None:
    (tmp_path / "corpus.tgz.part").write_bytes(PAYLOAD)
    assert fetch(files.archive, tmp_path, wait_seconds=0).read_bytes() == PAYLOAD
    assert names(tmp_path) == ["corpus.tgz"]


def test_a_verified_file_is_not_downloaded_again(files: Files, tmp_path: Path) -> None:
    fetch(files.archive, tmp_path)
    files.ranges.clear()
    assert fetch(files.archive, tmp_path) == tmp_path / "corpus.tgz"
    assert files.ranges == []


def test_a_server_without_ranges_sends_all_again(files: Files, tmp_path: Path) -> None:
    files.ranged, files.drops = False, 2
    assert fetch(files.archive, tmp_path, wait_seconds=0).read_bytes() == PAYLOAD
    assert len(files.ranges) == 3


def test_a_busy_server_is_asked_again(files: Files, tmp_path: Path) -> None:
    files.errors = [503, 429]
    assert fetch(files.archive, tmp_path, wait_seconds=0).read_bytes() == PAYLOAD


def test_a_refusal_is_not_repeated(files: Files, tmp_path: Path) -> None:
    files.errors = [404]
    with pytest.raises(InputError, match="404 Not Found; look up where"):
        fetch(files.archive, tmp_path, wait_seconds=0)
    assert len(files.ranges) == 1


def test_dropping_for_ever_ends_and_keeps_what_came(files: Files, tmp_path: Path) -> None:
    files.drops = 99
    with pytest.raises(InputError, match=r"in 3 attempts .*byte 875002 of 1000003.*same command"):
        fetch(files.archive, tmp_path, attempts=3, wait_seconds=0)
    assert (tmp_path / "corpus.tgz.part").read_bytes() == PAYLOAD[:875_002]  # 1/2 + 1/4 + 1/8
    assert len(files.ranges) == 3


def test_nobody_listening_is_one_sentence(files: Files, tmp_path: Path) -> None:
    files.server_close()
    with pytest.raises(InputError, match=r"in 2 attempts .*refused"):
        fetch(files.archive, tmp_path, attempts=2, wait_seconds=0)


def test_a_wrong_checksum_keeps_nothing(files: Files, tmp_path: Path) -> None:
    files.payload = PAYLOAD[:-1] + b"?"
    with pytest.raises(InputError, match=f"instead of {files.archive.md5}.*start anew"):
        fetch(files.archive, tmp_path, wait_seconds=0)
    assert names(tmp_path) == []
    files.payload = PAYLOAD
    assert fetch(files.archive, tmp_path, wait_seconds=0).read_bytes() == PAYLOAD


def test_a_wrong_file_of_that_name_is_left_to_its_owner(files: Files, tmp_path: Path) -> None:
    (tmp_path / "corpus.tgz").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"remove .*corpus\.tgz and run"):
        fetch(files.archive, tmp_path)
    assert (tmp_path / "corpus.tgz").read_bytes() == b"mine"


def test_a_full_disk_leaves_a_part_to_go_on_from(files: Files, tmp_path: Path) -> None:
    with largest_file(400_000), pytest.raises(InputError, match=r"cannot write .*free some space"):
        fetch(files.archive, tmp_path, wait_seconds=0)
    kept = (tmp_path / "corpus.tgz.part").stat().st_size
    assert 0 < kept <= 400_000
    assert fetch(files.archive, tmp_path, wait_seconds=0).read_bytes() == PAYLOAD
    assert files.ranges == [None, f"bytes={kept}-"]


def write_tar(path: Path, *members: tarfile.TarInfo, content: bytes = b"hello") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return path


def linked(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def test_unpack_writes_the_members(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a.tgz", tarfile.TarInfo("x/y.txt"), tarfile.TarInfo("z"))
    folder = unpack(archive, tmp_path / "deep" / "corpus")
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert files == ["x/y.txt", "z"]
    assert (folder / "x" / "y.txt").read_bytes() == b"hello"


@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_wrapper_of_the_same_name_is_the_folder(tmp_path: Path, prefix: str) -> None:
    top = tarfile.TarInfo(f"{prefix}corpus")
    top.type = tarfile.DIRTYPE
    members = [tarfile.TarInfo(f"{prefix}corpus/{name}") for name in ("one", "corpus/two")]
    folder = unpack(write_tar(tmp_path / "a.tgz", top, *members), tmp_path / "corpus")
    assert names(folder) == ["corpus", "one"]
    assert names(folder / "corpus") == ["two"]


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    unpack(write_tar(tmp_path / "a.tgz", tarfile.TarInfo("x")), tmp_path / "corpus")
    assert names(tmp_path / "corpus") == []


@pytest.mark.parametrize(
    "evil",
    [
        lambda outside: tarfile.TarInfo("../evil"),
        lambda outside: tarfile.TarInfo("corpus/../../evil"),
        lambda outside: tarfile.TarInfo(f"{outside}/evil"),
        lambda outside: linked("evil", str(outside), tarfile.SYMTYPE),
        lambda outside: linked("evil", "../..", tarfile.SYMTYPE),
        lambda outside: linked("evil", f"{outside}/secret", tarfile.LNKTYPE),
        lambda outside: linked("evil", "", tarfile.FIFOTYPE),
    ],
)
def test_a_member_that_leaves_its_folder_is_refused(tmp_path: Path, evil) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "secret").write_text("secret")
    through_link = tarfile.TarInfo("evil/planted")
    archive = write_tar(
        tmp_path / "a.tgz", tarfile.TarInfo("good"), evil(outside), through_link, content=b"!"
    )
    with pytest.raises(
        InputError, match=r"is not unpacked: its member .*evil.* a source you trust"
    ):
        unpack(archive, inside / "corpus")
    assert names(tmp_path) == ["a.tgz", "inside", "outside"]
    assert names(outside) == ["secret"]
    assert [name for name in names(inside) if not name.endswith(".lock")] == []


def test_without_pythons_own_filter_nothing_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(tarfile, "data_filter")
    archive = write_tar(tmp_path / "a.tgz", tarfile.TarInfo("x"))
    with pytest.raises(InputError, match=r"update it to 3\.11\.4"):
        unpack(archive, tmp_path / "corpus")
    assert names(tmp_path) == ["a.tgz"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "not gzip", "not tar"])
def test_a_damaged_archive_leaves_no_folder(tmp_path: Path, damage: str) -> None:
    archive = write_tar(tmp_path / "a.tgz", tarfile.TarInfo("x"), content=PAYLOAD)
    whole = archive.read_bytes()
    middle = len(whole) // 2
    archive.write_bytes(
        {
            "cut": whole[:middle],
            "flipped": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
            "empty": b"",
            "not gzip": b"<html>log in</html>",
            "not tar": gzip.compress(PAYLOAD),
        }[damage]
    )
    with pytest.raises(InputError, match=r"a\.tgz is damaged .*download it again"):
        unpack(archive, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()
    assert not list(tmp_path.glob(".corpus.part-*"))


def test_a_full_disk_leaves_no_folder(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a.tgz", tarfile.TarInfo("x"), content=bytes(500_000))
    with largest_file(100_000), pytest.raises(InputError, match=r"cannot unpack .*free some space"):
        unpack(archive, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()
    assert unpack(archive, tmp_path / "corpus").joinpath("x").stat().st_size == 500_000


def test_a_kill_leaves_no_folder_and_the_next_run_none_of_its_traces(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a.tgz", tarfile.TarInfo("x"), tarfile.TarInfo("y"))
    script = """
import os, signal, sys, tarfile
from pathlib import Path
from musicssl.download import unpack
keep = tarfile.data_filter
def kill_at_y(member, folder):
    if member.name == "y":
        os.kill(os.getpid(), signal.SIGKILL)
    return keep(member, folder)
tarfile.data_filter = kill_at_y
unpack(Path(sys.argv[1]), Path(sys.argv[2]))
"""
    folder = tmp_path / "corpus"
    killed = subprocess.run(
        [sys.executable, "-c", script, str(archive), str(folder)], capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.glob(".corpus.part-*")
    assert names(left) == ["x"]
    assert not folder.exists()
    assert names(unpack(archive, folder)) == ["x", "y"]
    assert not list(tmp_path.glob(".corpus.part-*"))
