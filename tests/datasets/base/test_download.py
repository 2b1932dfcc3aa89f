import hashlib
import io
import re
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from musicssl.datasets.base.download import Archive, fetch, fetch_joined, fetch_unpacked
from musicssl.errors import InputError
from tests.support.publisher import PAYLOAD, largest_file, names


class Handler(BaseHTTPRequestHandler):
    server: "Files"

    def do_GET(self) -> None:
        files = self.server
        asked = self.headers["Range"]
        files.ranges.append(asked)
        if files.errors:
            self.send_error(files.errors.pop(0))
            return
        payload = files.others.get(self.path, files.payload)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and files.ranged else 0
        if start >= len(payload):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            last = len(payload) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
        self.send_header("Content-Length", str(len(payload) - start))
        self.end_headers()
        rest = payload[start:]
        if files.drops > 0:
            files.drops -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)  # HTTP/1.0: the connection ends here

    def log_message(self, format: str, *args: object) -> None:
        pass


class Files(ThreadingHTTPServer):
    """One file under any name but `others`; `drops` connections end half way, `errors` go first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.payload = PAYLOAD
        self.others: dict[str, bytes] = {}
        self.ranged = True
        self.drops = 0
        self.errors: list[int] = []
        self.ranges: list[str | None] = []

    @property
    def archive(self) -> Archive:
        return self.publish("corpus.tgz", PAYLOAD)

    def publish(self, name: str, content: bytes, algorithm: str = "md5") -> Archive:
        if content is not PAYLOAD:
            self.others[f"/{name}"] = content
        digest = hashlib.new(algorithm, content).hexdigest()
        return Archive(f"http://127.0.0.1:{self.server_port}/{name}", f"{algorithm}:{digest}")


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Files() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


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


def test_an_unreachable_server_is_one_sentence(files: Files, tmp_path: Path) -> None:
    files.server_close()
    with pytest.raises(InputError, match=r"in 2 attempts .*refused"):
        fetch(files.archive, tmp_path, attempts=2, wait_seconds=0)


def test_a_wrong_checksum_keeps_nothing(files: Files, tmp_path: Path) -> None:
    files.payload = PAYLOAD[:-1] + b"?"
    digest = files.archive.checksum.removeprefix("md5:")
    with pytest.raises(InputError, match=f"not {digest}.*download it anew"):
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


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_a_checksum_is_of_the_kind_that_it_names(
    files: Files, tmp_path: Path, algorithm: str
) -> None:
    archive = files.publish("a.zip", b"as published", algorithm)
    assert fetch(archive, tmp_path).read_bytes() == b"as published"
    (tmp_path / "a.zip").write_bytes(b"changed since")
    digest = archive.checksum.split(":")[1]
    with pytest.raises(InputError, match=f"the {algorithm.upper()} checksum .* not {digest}"):
        fetch(archive, tmp_path)


def test_parts_are_joined_in_their_order_and_then_removed(files: Files, tmp_path: Path) -> None:
    contents = [PAYLOAD[:400], PAYLOAD[400:700], PAYLOAD[700:]]
    parts = [files.publish(f"mp3.zip.00{n}", content) for n, content in enumerate(contents, 1)]
    whole = fetch_joined(parts, tmp_path / "mp3.zip")
    assert whole.read_bytes() == PAYLOAD
    assert names(tmp_path) == ["mp3.zip"]
    files.ranges.clear()
    assert fetch_joined(parts, whole) == whole
    assert files.ranges == []


def test_a_full_disk_keeps_the_parts_but_no_half_file(files: Files, tmp_path: Path) -> None:
    contents = [PAYLOAD[:500_000], PAYLOAD[500_000:]]
    parts = [files.publish(f"mp3.zip.00{n}", content) for n, content in enumerate(contents, 1)]
    with largest_file(600_000), pytest.raises(InputError, match=r"cannot write .*free some space"):
        fetch_joined(parts, tmp_path / "mp3.zip")
    assert names(tmp_path) == ["mp3.zip.001", "mp3.zip.002"]
    assert fetch_joined(parts, tmp_path / "mp3.zip").read_bytes() == PAYLOAD


def test_an_archive_is_fetched_and_unpacked_once(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("corpus/a.csv", "a")
    archive = files.publish("corpus.zip", content.getvalue())
    folder = tmp_path / "root" / "corpus"
    fetch_unpacked(archive, tmp_path / "root", folder)
    assert (folder / "a.csv").read_text() == "a"
    assert f"unpacked as {folder}; {folder}.zip is no longer needed" in capsys.readouterr().out
    folder.with_suffix(".zip").unlink()
    fetch_unpacked(archive, tmp_path / "root", folder)
    assert len(files.ranges) == 1
