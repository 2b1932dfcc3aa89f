"""Milliseconds of extracting the embeddings of a corpus, against the bare forward of the encoder.

"extraction" is `musicssl.probing.embeddings.extraction.embed` into an empty cache: it hashes the
corpus, reads clips from a store of 16 bits, embeds whole clips, and writes, checks and maps the
result. "bare" is the same network in evaluation mode on one batch in memory, as many times as there
are batches. They take turns, so that a busy machine slows both alike; figures are medians, and so
are the ratios of the two in one round. On a very busy machine only the processor's time can be
compared. It counts the reading in full, although it happens during the forward. The clips are 10 s
of noise in a temporary store.

    python benchmarks/extraction.py [--device cpu] [--threads 2] [--rounds 9] [--clips 48] [--small]
"""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rounds import parser, read

from musicssl.audio.store import build_store
from musicssl.batch import Batch
from musicssl.data.clips import clips_of
from musicssl.data.corpus import Corpus
from musicssl.encoders.cnn import CNN
from musicssl.encoders.log_mel_statistics import LogMelStatistics
from musicssl.encoders.samplecnn import SampleCNN
from musicssl.networks.classifier import Classifier
from musicssl.networks.pooling import MeanPooling
from musicssl.probing.embeddings.extraction import embed

RATE, BATCH = 16_000, 16
ENCODERS: dict[str, Callable[..., Any]] = {
    "samplecnn, width 32": partial(SampleCNN, width=32),
    "cnn": CNN,
    "log_mel_statistics": LogMelStatistics,
}


def noise(clip_id: str, seconds: int) -> NDArray[np.float32]:
    """Draw the sound of a clip."""
    return np.random.default_rng(int(clip_id)).uniform(-0.5, 0.5, seconds * RATE).astype(np.float32)


def stored_noise(folder: Path, num_clips: int, seconds: int) -> Corpus:
    """Make a corpus whose sound lies in a store."""
    clip_ids = [str(number) for number in range(num_clips)]
    labels = np.ones((num_clips, 1), np.float32)
    return Corpus(
        name="noise",
        classes=("noise",),
        x=build_store(folder, clip_ids, partial(noise, seconds=seconds), RATE),
        y=labels,
        mask=labels > 0,
        split=np.array(["test"] * num_clips),
        clip_ids=np.array(clip_ids),
    )


def bare(network: Classifier, corpus: Corpus, device: torch.device) -> Callable[[], None]:
    """Return a function that embeds one batch as often as the corpus has batches."""
    clips = clips_of(corpus, crop_seconds=None)
    first, *others = clips.batches(np.arange(len(corpus.clip_ids)), BATCH)
    unknown = torch.zeros(len(first), 0)
    batch = Batch(clips.whole(first).x, unknown, unknown.bool()).to(device)

    def forward() -> None:
        network.eval()
        with torch.inference_mode():
            for _ in (first, *others):
                network.clip_embeddings(batch).float().cpu()

    return forward


def timed(call: Callable[[], object]) -> NDArray[np.float64]:
    """Time a call that ends when its results are on the CPU: ms by the clock, of the processor."""
    start, busy = time.perf_counter(), time.process_time()
    call()
    return 1000 * np.array([time.perf_counter() - start, time.process_time() - busy])


def measured(network: Classifier, corpus: Corpus, rounds: int, device: torch.device) -> list[str]:
    """Let both take turns, after one turn of warm-up, and return a part of the table's row."""
    forward = bare(network.to(device), corpus, device)
    ours, theirs = [], []
    for _ in range(rounds + 1):
        with tempfile.TemporaryDirectory() as cache:
            extract = partial(embed, network, corpus, {}, Path(cache), BATCH, device)
            ours.append(timed(extract))
        theirs.append(timed(forward))
    clocks = [f"{median(turn[0] for turn in turns[1:]):.0f}" for turns in (ours, theirs)]
    ratios = np.divide(theirs[1:], ours[1:])  # (rounds, 2)
    return [*clocks, *(f"{ratio:.2f} x" for ratio in np.median(ratios, axis=0))]


def main() -> None:
    """Measure each encoder and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--clips", type=int, default=48)
    arguments.add_argument("--seconds", type=int, default=10, help="length of a clip")
    chosen = read(arguments, threads=1, rounds=1, clips=BATCH + 1, seconds=1)
    torch.set_num_threads(chosen.threads)
    title = f"{chosen.clips} clips of {chosen.seconds} s, {chosen.threads} threads, {chosen.device}"
    columns = ("encoder", "extraction, ms", "bare, ms", "bare / extraction", "processor")
    table = Table(*columns, title=title)
    with tempfile.TemporaryDirectory() as folder:
        corpus = stored_noise(Path(folder) / "store", chosen.clips, chosen.seconds)
        for name, encoder in ENCODERS.items():
            torch.manual_seed(0)
            length = chosen.seconds * RATE
            sizes = {"num_features": 1, "num_instances": length, "num_classes": 1}
            network = Classifier(encoder, MeanPooling, **sizes)
            device = torch.device(chosen.device)
            table.add_row(name, *measured(network, corpus, chosen.rounds, device))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
