"""What Weights & Biases would be told, read back from the files that `wandb sync` uploads."""

import http.server
import json
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import wandb
from wandb.proto.wandb_internal_pb2 import Record


def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be a user without account, settings or network."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith("WANDB_") or name == "NETRC"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MPLCONFIGDIR", matplotlib.get_cachedir())  # it lies in the home folder
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(
        "musicssl.runs.artifacts.localisation.draw_timelines", lambda *_: None
    )  # half of a run's time
    yield
    wandb.teardown()


def records(path: Path) -> Iterator[Record]:
    """Read a log in LevelDB's format: blocks of 32 KiB, records cut where a block ends."""
    data, place, whole = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:  # no room for a header: padding
            place += left
            continue
        length, kind = struct.unpack_from("<HB", data, place + 4)  # behind a checksum
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(whole)
            whole = b""


class Recorded:
    """The one offline run in a folder."""

    def __init__(self, folder: Path) -> None:
        wandb.teardown()  # as at the end of a process: until then the last record may be on its way
        (self.path,) = folder.glob("wandb/offline-run-*/*.wandb")
        self.run = None
        self.config: dict[str, Any] = {}
        self.rows: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}
        self.exit_codes: list[int] = []
        for record in records(self.path):
            self._read(record)

    def _read(self, record: Record) -> None:
        match record.WhichOneof("record_type"):
            case "run":
                self.run = record.run
                self.config = {u.key: json.loads(u.value_json) for u in record.run.config.update}
                del self.config["_wandb"]
            case "history":
                self.rows.append(values(record.history.item))
            case "summary":
                self.summary |= values(record.summary.update)
            case "exit":
                self.exit_codes.append(record.exit.exit_code)

    @property
    def epochs(self) -> list[dict[str, float]]:
        """The rows of epochs, without what wandb adds."""
        return [
            {name: value for name, value in row.items() if not name.startswith("_")}
            for row in self.rows
            if "epoch" in row
        ]

    def file(self, path: str) -> bytes:
        return (self.path.parent / "files" / path).read_bytes()


def values(items: Any) -> dict[str, Any]:
    """Join nested keys with a bar."""
    return {"|".join(i.nested_key) or i.key: json.loads(i.value_json) for i in items}


def fail(error: BaseException) -> Any:
    def raising(*_: Any, **__: Any) -> None:
        raise error

    return raising


class Refuse(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(401)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def serving_refusals() -> Iterator[str]:
    """Serve the address of a server that refuses everything."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
