"""Damaged copies of files of embeddings, tables, archives and stores: read, or refused.

Refused means one sentence, within a bound of memory and time. make fuzz tries thousands of copies.
"""

import random
import shutil
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from musicssl.audio.store import ClipStore, file_store
from musicssl.datasets.base.unpack import unpack
from musicssl.datasets.formats.embeddings_file import read_embeddings
from musicssl.datasets.formats.labels_csv import read_label_table
from musicssl.datasets.formats.openmic import read_instances
from musicssl.datasets.formats.tables import read_table
from musicssl.errors import InputError
from musicssl.report.read.files import explained_damage, load_arrays

MOST_BYTES = 100 << 20
MOST_SECONDS = 20.0
TOKENS = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff\xff\xff\xff\xff", b"999999999999")
TEXTS = (b'"', b"\n", b",", b";", b"\0", b"../", b"\xff\xfe", b"[", b"'", b"1e999", b"-1")


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return a copy with some damage: cut, flipped, overwritten, moved or filled."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        place = rng.randrange(max(1, len(data)))
        token = rng.choice(TOKENS + TEXTS)
        match rng.randrange(7):
            case 0:
                del data[place:]
            case 1 if data:
                data[place] ^= 1 << rng.randrange(8)
            case 2:
                data[place : place + len(token)] = token
            case 3:
                data[place:place] = token * rng.choice((1, 1, 300))
            case 4:
                del data[place : place + rng.choice((1, 8, 200))]
            case 5:
                length = rng.choice((4, 64, 600))
                data[place:place] = data[rng.randrange(max(1, len(data))) :][:length]
            case _:
                stop = min(len(data), place + rng.choice((4, 100)))
                data[place:stop] = bytes(max(0, stop - place))
    return bytes(data)


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "embeddings": rng.standard_normal((6, 3, 4)).astype(np.float32),
        "clip_ids": np.array([f"{row}.wav" for row in range(6)]),
        "targets": np.eye(6, 2, dtype=np.float32),
        "mask": np.ones((6, 2), bool),
        "split": np.array(["train", "val", "test"] * 2),
        "classes": np.array(["a", "b"]),
        "lengths": np.array([1, 2, 3, 1, 2, 3]),
    }


def scores() -> dict[str, np.ndarray]:
    known = arrays()
    return {
        **{"scores": np.full((6, 2), 0.5), "targets": known["targets"], "mask": known["mask"]},
        **{"clip_ids": known["clip_ids"], "classes": known["classes"]},
    }


def write_sources(folder: Path) -> None:
    """Write one whole file of each kind."""
    known = arrays()
    np.savez(folder / "plain.npz", **known)
    np.savez_compressed(folder / "compressed.npz", **known)
    np.savez(folder / "openmic.npz", X=np.zeros((2, 10, 128), np.int64))
    np.savez(folder / "predictions.npz", **scores())
    lists = pa.array(known["embeddings"].tolist(), pa.list_(pa.list_(pa.float32())))
    table = pa.table({"clip_id": known["clip_ids"], "embedding": lists, "split": known["split"]})
    pq.write_table(table, folder / "h.parquet")
    for name in ("a", "b"):
        soundfile.write(folder / f"{name}.wav", np.full(800, 0.1), 8_000)
    rows = 'path,labels,split,group\na.wav,tone;loud,train,"x"\nb.wav,"[""noise""]",test,y\n'
    (folder / "labels.csv").write_text(rows)
    (folder / "annotations.csv").write_text("start,end\n1,2\n3,4\n")
    (folder / "packed").mkdir()
    for name in ("b.txt", "c.txt"):
        (folder / "packed" / name).write_text("hello" * 400)
    for kind in ("zip", "tar", "gztar"):
        shutil.make_archive(str(folder / "x"), kind, folder / "packed")
    store = file_store(folder, ["a.wav", "b.wav"], 8_000, folder / "cache", "c", 1)
    shutil.copy(store.folder / "index.json", folder / "index.json")
    shutil.copy(store.folder / "samples.i16", folder / "samples.i16")


def read(path: Path, root: Path) -> None:
    """Read a file as its name says."""
    name = path.name
    if name in ("plain.npz", "compressed.npz", "h.parquet"):
        read_embeddings(path)
    elif name == "openmic.npz":
        read_instances(path, 2, "unit")
    elif name == "predictions.npz":
        with explained_damage(path):
            load_arrays(path)
    elif name == "labels.csv":
        read_label_table(path, root)
    elif name == "annotations.csv":
        read_table(path, ("start", "end"), "mend it")
    elif name == "index.json":
        shutil.copy(root / "samples.i16", path.with_name("samples.i16"))
        ClipStore.open(path.parent)
    else:
        out = path.parent / "out"
        unpack(path, out)
    outside = {file.name for file in path.parent.iterdir()} - {
        *(name, "samples.i16", "verified.json", "out", ".out.lock"),
    }
    assert not outside, outside


KINDS = (
    *("plain.npz", "compressed.npz", "openmic.npz", "predictions.npz", "h.parquet"),
    *("labels.csv", "annotations.csv", "x.zip", "x.tar", "x.tar.gz", "index.json"),
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    write_sources(folder)
    return folder


@pytest.mark.filterwarnings("ignore")  # the outcome is looked at, not what libraries remark
@pytest.mark.parametrize("copies", [10, pytest.param(1_000, marks=pytest.mark.fuzz)])
def test_damaged_files_are_read_or_refused(sources, tmp_path, copies, say):
    counts: Counter[tuple[str, str]] = Counter()
    wrong = []
    for name in KINDS:
        rng = random.Random(name)
        content = (sources / name).read_bytes()
        for number in range(copies):
            folder = tmp_path / "copy"
            folder.mkdir()
            (folder / name).write_bytes(damaged(content, rng))
            began = time.monotonic()
            tracemalloc.start()
            try:
                read(folder / name, sources)
                outcome = "read"
            except InputError as error:
                outcome = "refused"
                if "\n" in str(error).strip():
                    wrong.append((name, number, f"several lines: {error}"))
            except Exception as error:  # noqa: BLE001 all that went wrong is listed at once
                outcome = "wrong"
                wrong.append((name, number, f"{type(error).__name__}: {error}"[:200]))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            if peak > MOST_BYTES or time.monotonic() - began > MOST_SECONDS:
                wrong.append((name, number, f"{peak:,} bytes, {time.monotonic() - began:.0f} s"))
            counts[name, outcome] += 1
            shutil.rmtree(folder)
    if copies > 10:
        for name in KINDS:
            tried = [f"{counts[name, kind]} {kind}" for kind in ("read", "refused", "wrong")]
            say(f"{name}: {copies} tried, {', '.join(tried)}")
    assert not wrong, "\n".join(map(str, wrong[:20]))
