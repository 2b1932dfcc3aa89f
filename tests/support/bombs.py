"""Small files that ask for a lot of memory, and what reads them.

    python -m tests.support.bombs FOLDER

reads all of them in a process that may take 300 MB more than it has, and prints what became of each
as JSON.
"""

import io
import json
import resource
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from musicssl.audio.decode import read_audio
from musicssl.datasets.base.unpack import unpack
from musicssl.datasets.formats.activity import read_confidences, read_intervals
from musicssl.datasets.formats.embeddings_file import read_embeddings
from musicssl.datasets.formats.label_rows import read_label_rows
from musicssl.datasets.formats.openmic import read_instances
from musicssl.datasets.formats.tables import read_table
from musicssl.datasets.msd import _read_tags
from musicssl.errors import InputError
from musicssl.report.read.files import load_arrays

MORE = 300 << 20  # bytes
RATE = 16_000


def wav(path: Path, rate=RATE, channels=1, num_bytes=3200, stated=None) -> Path:
    """Write a WAV of silence, which takes no space on the disk, with a header of our choice."""
    stated = num_bytes if stated is None else stated
    width = 2 * channels
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * width % 2**32, width % 2**16, 16)
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", min(2**32 - 1, 36 + stated)) + b"WAVEfmt ")
        file.write(struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", stated))
        file.truncate(file.tell() + num_bytes)
    return path


def flac(path: Path, frames: int) -> Path:
    """Write a second as FLAC that states to have so many frames."""
    soundfile.write(path, np.zeros(RATE), RATE, format="FLAC")
    data = bytearray(path.read_bytes())
    stated = int.from_bytes(data[18:26], "big") >> 36 << 36 | frames
    data[18:26] = stated.to_bytes(8, "big")
    path.write_bytes(data)
    return path


def content(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def header(kind: str, *shape: int) -> bytes:
    """Return the header of an array as .npy files have it."""
    file = io.BytesIO()
    about = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, about)
    return file.getvalue()


def npz(path: Path, name: str, head: bytes, zeros: int = 0) -> Path:
    """Write an archive with names of two clips and an array of so many zeros, compressed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        names = io.BytesIO()
        np.lib.format.write_array(names, np.array(["a", "b"]))
        archive.writestr("clip_ids.npy", names.getvalue())
        with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
            file.write(head)
            for begin in range(0, zeros, 1 << 24):
                file.write(bytes(min(1 << 24, zeros - begin)))
    return path


def parquet(path: Path, **columns) -> Path:
    pq.write_table(pa.table(columns), path, compression="zstd")
    return path


def padded(path: Path, num_clips: int) -> Path:
    """Write one clip of many instances, and many of one."""
    cells = [[[0.0]] * num_clips] + [[[0.0]]] * (num_clips - 1)
    names = [str(number) for number in range(num_clips)]
    lists = pa.array(cells, pa.list_(pa.list_(pa.float32())))
    return parquet(path, clip_id=names, embedding=lists)


def repeated(path: Path, num_clips: int, size: int) -> Path:
    """Write numbers that are all alike, in row groups of some clips."""
    block = pa.FixedSizeListArray.from_arrays(np.zeros(20 * size, np.float32), size)
    schema = pa.schema({"clip_id": pa.string(), "embedding": block.type})
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for begin in range(0, num_clips, 20):
            names = pa.array([str(begin + number) for number in range(20)])
            writer.write_table(pa.table({"clip_id": names, "embedding": block}, schema=schema))
    return path


def zipped(path: Path, claimed: int) -> Path:
    """Write an archive whose directory claims that a file of 1 kB is larger."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.wav", bytes(1000))
        archive.infolist()[0].file_size = claimed
    return path


def sparse_tar(path: Path, claimed: int) -> Path:
    """Write an archive with a header of a file of holes."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        member = tarfile.TarInfo("a.wav")
        member.size = claimed
        tar.addfile(member)
    return path


def confidences(path: Path, last: float) -> object:
    content(path, f"time,S01\n0,0.5\n{last},0.5\n".encode())
    return read_confidences(path, {"S01": 0}, 1, 0.5, "mend it")


def intervals(path: Path, end: float) -> object:
    content(path, f"start_time,end_time,instrument_label\n0,{end},x\n".encode())
    return read_intervals(path, {"x": 0}, "mend it")


# What is read in a folder, and what the refusal says; None for a file that may be read.
BOMBS: dict[str, tuple[Callable[[Path], object], str | None]] = {
    "WAV of 4 GB stated, which means up to the end": (
        lambda f: read_audio(wav(f / "a.wav", stated=0xFFFF_FF00), RATE), None),
    "WAV of 2 GB stated": (
        lambda f: read_audio(wav(f / "a.wav", stated=0x7FFF_0000), RATE), "is truncated"),
    "WAV at 0 Hz": (lambda f: read_audio(wav(f / "a.wav", rate=0), RATE), "impossible sample rate"),
    "WAV at 1 Hz": (lambda f: read_audio(wav(f / "a.wav", rate=1), RATE), "sample rate of 1 Hz"),
    "WAV at 2^31 Hz": (
        lambda f: read_audio(wav(f / "a.wav", rate=2**31), RATE), "impossible sample rate"),
    "WAV at 2^31 - 1 Hz": (
        lambda f: read_audio(wav(f / "a.wav", rate=2**31 - 1), RATE), "not from 500 to 1000000"),
    "WAV of 65,535 channels": (
        lambda f: read_audio(wav(f / "a.wav", channels=65_535), RATE), "number of channels"),
    "WAV of 1,024 channels": (
        lambda f: read_audio(wav(f / "a.wav", channels=1024, num_bytes=2**25), RATE), None),
    "WAV of no channels": (
        lambda f: read_audio(wav(f / "a.wav", channels=0), RATE), "not audio that soundfile"),
    "WAV that becomes 96 times as long": (
        lambda f: read_audio(wav(f / "a.wav", rate=500, num_bytes=2 * 22_500_000), 48_000),
        "has 2,160,000,000 samples at 48000 Hz (12 h), more than 2,147,483,648"),
    "FLAC of 2^36 frames": (lambda f: read_audio(flac(f / "a.flac", 2**36 - 1), RATE), "truncated"),
    "MP3 behind a tag of 256 MB": (
        lambda f: read_audio(content(f / "a.mp3", b"ID3\4\0\0\x7f\x7f\x7f\x7f"), RATE),
        "is not audio that soundfile can read"),
    "npz of 10^12 numbers": (
        lambda f: read_embeddings(npz(f / "h.npz", "embeddings", header("<f4", 2, 10**12))),
        "embeddings.npy is shorter than its header says"),
    "npz of 1.2 GB of zeros": (
        lambda f: read_embeddings(
            npz(f / "h.npz", "embeddings", header("<f4", 2, 150_000_000), 1_200_000_000)),
        "more than 100 times as many"),
    "npz of OpenMIC of 10^12 numbers": (
        lambda f: read_instances(npz(f / "o.npz", "X", header("<i8", 10**9, 10, 128)), 9, "unit"),
        "X.npy is shorter than its header says"),
    "npy of 10^12 numbers": (
        lambda f: _read_tags(content(f / "a.npy", header("<f4", 10**10, 50)), 9), "is damaged"),
    "Parquet padded to 1.6 GB": (
        lambda f: read_embeddings(padded(f / "h.parquet", 20_000)),
        "would unpack 159,996 bytes to 1,600,000,000, more than 100"),
    "Parquet of 1.2 GB of zeros": (
        lambda f: read_embeddings(repeated(f / "h.parquet", 3000, 100_000)),
        "its 300,003,000 values would unpack"),
    "table of 10^6 columns": (
        lambda f: read_label_rows(
            content(f / "a.csv", b"path,label" + b"," * 10**6 + b"\na.wav,a" * 3000), "path"),
        "has 1,000,002 columns, more than 10,000"),
    "annotations of 10^6 columns": (
        lambda f: read_table(content(f / "a.csv", b"a" + b"," * 10**6), ["a"], "mend it"),
        "has 1,000,001 cells, more than 10,000"),
    "table of 1 GB": (
        lambda f: read_label_rows(wav(f / "a.csv", num_bytes=10**9), "path"),
        "has 1,000,000,044 bytes, more than the 536,870,912"),
    "annotations of 1 GB": (
        lambda f: read_table(wav(f / "a.csv", num_bytes=10**9), ["a"], "mend it"),
        "has 1,000,000,044 bytes, more than the 536,870,912"),
    "frames to the end of time": (
        lambda f: confidences(f / "a.lab", 1e14), "that do not ascend from 0 to 200,000 s"),
    "interval to the end of time": (
        lambda f: intervals(f / "a.lab", 1e14), "lasts from 0 to 1e+14 s"),
    "zip of 1 TB": (
        lambda f: unpack(zipped(f / "a.zip", 10**12), f / "out"), "more than 100 times as many"),
    "tar of 1 TB": (
        lambda f: unpack(sparse_tar(f / "a.tar", 10**12), f / "out"),
        "more than 100 times as many"),
    "scores of 10^12 numbers": (
        lambda f: load_arrays(npz(f / "p.npz", "scores", header("<f4", 10**12))),
        "scores.npy is shorter than its header says"),
}  # fmt: skip


def outcome(name: str, folder: Path) -> str:
    """Return the refusal of a file, or "read"."""
    folder.mkdir()
    try:
        BOMBS[name][0](folder)
    except (InputError, zipfile.BadZipFile) as error:  # the report explains the second
        return str(error)
    return "read"


def main(folder: Path) -> None:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MORE, taken + MORE))
    said = {}
    for number, name in enumerate(BOMBS):
        try:
            said[name] = outcome(name, folder / str(number))
        except Exception as error:  # noqa: BLE001 the test shows all that went wrong at once
            said[name] = f"{type(error).__name__}: {error}"
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
