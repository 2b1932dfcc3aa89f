"""The clip store against the audio files it was made from: crops read, files prepared, memory.

The audio is made in a temporary folder: 29 s of decaying harmonic tones, as WAV (22.05 kHz, one
channel) and as MP3, OGG and FLAC (44.1 kHz, two channels), 16 files of each under 128 names. Files
and stores are in the page cache. Each round times all ways in turn, so that a busy machine slows
all of them alike; figures are medians, with their range. torch has one thread.

- crops: 2.7 s at 16 kHz from random positions, in batches. The store is read in this process on one
  thread. The files are read in the usual way, by a map-style Dataset in a DataLoader with two
  worker processes of one thread each (seek, read, average, resample, collate) that start before the
  clock; and by SoundFiles on two threads, which training uses without a store.
- prepare: build_store in one process, against a loop that reads each whole file with soundfile,
  averages its channels, resamples it with soxr and drops the result.
- memory: the peak of the private memory of this process and two workers together, torch included,
  while a store of 0.5 s clips is built, and while batches are read from all parts of it. Pages of
  the memory map are not counted: the system can drop them.

    python benchmarks/clip_store.py [--rounds 5] [--clips 100000] [--small]
"""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rounds import parser, read
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from musicssl.audio.file_stores import file_store
from musicssl.audio.sound import Sound
from musicssl.audio.sound_files import sound_files
from musicssl.audio.store import ClipStore, build_store

RATE, CROP, BATCH = 16_000, 43_200, 32
FORMATS = {"wav": (22_050, 1), "mp3": (44_100, 2), "ogg": (44_100, 2), "flac": (44_100, 2)}


class Sizes(NamedTuple):
    """How much audio is made.

    Attributes:
        seconds: Length of a file and of a clip in the store.
        files: Files of each format.
        names: Names of these files, for each format.
        stored: Clips in the store that crops are read from.
        batches: Batches of crops that are read from the store in a round.
    """

    seconds: int
    files: int
    names: int
    stored: int
    batches: int


LARGE = Sizes(29, 16, 128, 400, 300)  # the store has 370 MB, more than any processor's cache
SMALL = Sizes(4, 2, 4, 4, 2)


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--clips", type=int, default=100_000, help="clips for the memory")
    options = read(arguments, rounds=1, clips=100)
    sizes = SMALL if options.small else LARGE
    torch.set_num_threads(1)
    table = Table("", "", "range", "ratio", "target", title="clip store")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in (options.clips // 10, options.clips):
            for row in memory(folder / f"short{count}", count):
                table.add_row(*row)
        root = folder / "audio"
        names = write_files(root, sizes)
        for row in crops(folder, root, names, sizes, options.rounds):
            table.add_row(*row)
        for row in prepare(folder, root, names, sizes, options.rounds):
            table.add_row(*row)
    Console(width=100).print(table)


def write_files(root: Path, sizes: Sizes) -> dict[str, list[str]]:
    """Synthesise the files; return their names by format."""
    root.mkdir()
    for form, (rate, channels) in FORMATS.items():
        for number in range(sizes.files):
            sound = tones(number, sizes.seconds, rate, channels)
            soundfile.write(root / f"{number}.{form}", sound, rate)
        for number in range(sizes.files, sizes.names):
            (root / f"{number}.{form}").hardlink_to(root / f"{number % sizes.files}.{form}")
    return {form: [f"{number}.{form}" for number in range(sizes.names)] for form in FORMATS}


def tones(seed: int, seconds: int, rate: int, channels: int) -> NDArray[np.float32]:
    """Strike four notes of eight decaying partials a second over a little noise, (S, ch)."""
    rng = np.random.default_rng(seed)
    samples = 0.003 * rng.standard_normal((seconds * rate, channels))
    time_axis = np.arange(rate) / rate
    for start in range(0, len(samples) - rate, rate // 4):
        partials = np.arange(1, 9) * 55 * 2 ** (rng.integers(0, 48) / 12)
        partials = partials[partials < 0.45 * rate, None]
        note = (np.sin(2 * np.pi * partials * time_axis) / partials).sum(axis=0) * partials[0]
        pan = rng.uniform(0.3, 1, channels)
        samples[start : start + rate] += 0.1 * (note * np.exp(-4 * time_axis))[:, None] * pan
    return samples.clip(-1, 1).astype(np.float32)


def crops(
    folder: Path, root: Path, names: dict[str, list[str]], sizes: Sizes, rounds: int
) -> Iterator[tuple[str, ...]]:
    """Yield rows of the crops per second from the store and from files."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, sizes.seconds * RATE).astype(np.float32)
    ids = [str(number) for number in range(sizes.stored)]
    store = build_store(folder / "long", ids, lambda _: noise, RATE, 1)
    ways: dict[str, Callable[[], float]] = {"store": lambda: read_crops(store, sizes.batches)}
    for form in ("mp3", "wav"):
        files = sound_files(root, names[form], RATE, folder / "cache", num_workers=2)
        ways[f"{form}, SoundFiles"] = partial(read_crops, files, 10)
        ways[f"{form}, DataLoader"] = partial(load_crops, [root / name for name in names[form]])
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            speeds[name].append(way())
    targets = {"mp3, DataLoader": ">= 50", "wav, DataLoader": ">= 5"}
    ours = median(speeds["store"])
    for name, values in speeds.items():
        ratio = "" if name == "store" else f"store {ours / median(values):.1f} x"
        figure = f"{median(values):.0f} crops/s"
        yield f"crops: {name}", figure, extent(values), ratio, targets.get(name, "")


def read_crops(sound: Sound, batches: int) -> float:
    """Read batches of random crops; return crops per second."""
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(batches):
        rows = rng.integers(0, len(sound.lengths), BATCH)
        draws.append((rows, rng.integers(0, sound.lengths[rows] - CROP)))
    start = time.perf_counter()
    for rows, starts in draws:
        sound.read(rows, starts, CROP)
    return batches * BATCH / (time.perf_counter() - start)


def load_crops(paths: list[Path], batches: int = 16) -> float:
    """Let two workers decode; return crops per second once what they worked ahead is used up."""
    ahead = 8
    crops_of = Crops(paths, (ahead + batches) * BATCH)
    loader = iter(DataLoader(crops_of, BATCH, num_workers=2))
    for _ in range(ahead):
        next(loader)
    start = time.perf_counter()
    for _ in range(batches):
        next(loader)
    return batches * BATCH / (time.perf_counter() - start)


class Crops(Dataset[Tensor]):
    """Random crops of files, one at a time."""

    def __init__(self, paths: list[Path], count: int) -> None:
        self.paths, self.count = paths, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        rng = np.random.default_rng(index)
        with soundfile.SoundFile(self.paths[index % len(self.paths)]) as file:
            frames = round(CROP * file.samplerate / RATE)
            file.seek(int(rng.integers(0, file.frames - frames)))
            samples = file.read(frames, dtype="float32", always_2d=True)
            rate = file.samplerate
        return torch.from_numpy(soxr.resample(average(samples), rate, RATE)[:CROP])


def average(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average (S, ch) the fast way, which `mean(axis=1)` is not."""
    mono: NDArray[np.float32] = sum(samples.T) / samples.shape[1]
    return mono


def prepare(
    folder: Path, root: Path, names: dict[str, list[str]], sizes: Sizes, rounds: int
) -> Iterator[tuple[str, ...]]:
    """Yield rows of the seconds of audio per second, prepared and only decoded."""
    audio = sizes.names * sizes.seconds
    for form, files in names.items():
        ours, plain = [], []
        for number in range(rounds):
            with tempfile.TemporaryDirectory(dir=folder) as cache:
                start = time.perf_counter()
                file_store(root, files, RATE, Path(cache), f"{form}{number}", num_workers=1)
                ours.append(audio / (time.perf_counter() - start))
            start = time.perf_counter()
            for name in files:
                samples, rate = soundfile.read(root / name, dtype="float32", always_2d=True)
                soxr.resample(average(samples), rate, RATE)
            plain.append(audio / (time.perf_counter() - start))
        ratio = f"{median(ours) / median(plain):.2f} x plain"
        figure = f"{median(ours):.0f} x real time"
        yield f"prepare: {form}", figure, extent(ours), ratio, ">= 0.8"


def extent(values: list[float]) -> str:
    """Write the range of values."""
    return f"{min(values):.0f}-{max(values):.0f}"


def memory(folder: Path, count: int) -> Iterator[tuple[str, ...]]:
    """Yield rows of the peaks while a store of short clips is built, opened and read."""
    ids = [f"clips/{number:06d}.wav" for number in range(count)]
    with peak() as building:
        build_store(folder, ids, burst, RATE, num_workers=2)
    size = (folder / "samples.i16").stat().st_size
    with peak() as reading:
        start = time.perf_counter()
        store = ClipStore.open(folder)
        opening = 1000 * (time.perf_counter() - start)
        rng = np.random.default_rng(0)
        for _ in range(500):
            rows = rng.integers(0, count, 128)
            store.read(rows, np.zeros(128, np.int64), 8_000)
    what = f"{count:,} clips, {size / 1e6:.0f} MB"
    yield f"memory: building, {what}", f"{building[0]:.0f} MB", "", "", "bounded"
    yield f"memory: reading, {what}", f"{reading[0]:.0f} MB", "", "", "bounded"
    yield f"opening: {what}", f"{opening:.0f} ms", "", "", ""


def burst(clip_id: str) -> NDArray[np.float32]:
    """Return half a second of noise in place of a decoded file."""
    rng = np.random.default_rng(int(clip_id[6:12]))
    return rng.random(8_000, np.float32) - np.float32(0.5)


@contextmanager
def peak() -> Iterator[list[float]]:
    """Yield a list whose item is the peak of the private memory in the block, in MB.

    The memory is that of this process and its children.
    """
    highest, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            highest[0] = max(highest[0], private_memory() / 1e6)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield highest
    finally:  # a process does not end while it watches
        done.set()
        watcher.join()


def private_memory() -> int:
    """Sum the anonymous memory of this process and all below it, in bytes, shared pages once."""
    total, pending = 0, ["self"]
    while pending:
        process = Path("/proc") / pending.pop()
        try:
            pages = (process / "smaps_rollup").read_text()
            for task in (process / "task").iterdir():
                pending += (task / "children").read_text().split()
        except OSError:  # it has ended
            continue
        if "Pss_Anon:" in pages:
            total += 1024 * int(pages.split("Pss_Anon:")[1].split()[0])
    return total


if __name__ == "__main__":
    main()
