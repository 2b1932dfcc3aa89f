"""Hours of audio that `musicssl predict` tags in a minute, against the bare forward pass.

"predict" is `Ensemble.predict_files` on files: it decodes, mixes to mono, resamples, computes
features and runs the network. "bare" is `Model.predict` on the same sound, decoded and at the
network's own rate, one recording after another; it computes features and runs the network as well.
They take turns, so that a busy machine slows both alike; figures are medians, and so are the ratios
of the two in one round. The networks are untrained and of default size. The files are noise:
16-bit FLAC in stereo at 44.1 kHz, as a collection of music is, and mono WAV at the network's rate.

    python benchmarks/predict.py [--threads 2] [--rounds 5] [--files 24] [--seconds 60] [--small]
"""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soundfile
import torch
from rich.console import Console
from rich.table import Table
from rounds import milliseconds, parser, read

from musicssl.audio.decode import read_audio
from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.encoders.att import AttEmbedding
from musicssl.encoders.crnn import CRNN
from musicssl.encoders.short_chunk import ShortChunk
from musicssl.inference.description import Description
from musicssl.inference.ensemble import Ensemble
from musicssl.inference.model import Model
from musicssl.inference.parts import described
from musicssl.networks.classifier import Classifier
from musicssl.networks.pooling import AttentionPooling, MeanPooling

RATE = 16_000
CLASSES = tuple(f"class {number}" for number in range(20))


# The features, encoder and pooling of each network, as `conf/` has them by default.
NETWORKS: dict[str, tuple[Any, Callable[..., Any], Callable[..., Any]]] = {
    "att": (
        partial(LogMel, statistics=("mean", "std")),
        AttEmbedding,
        AttentionPooling,
    ),
    "crnn": (Waveform, CRNN, MeanPooling),
    "short_chunk": (Waveform, ShortChunk, MeanPooling),
}


def untrained(name: str) -> Model:
    """Return a network as `musicssl.load` does."""
    features, encoder, pooling = NETWORKS[name]
    num_features = features().num_features if name == "att" else 1
    sizes = {"num_features": num_features, "num_instances": 10, "num_classes": len(CLASSES)}
    description = Description(
        path=Path(f"{name}.ckpt"),
        encoder=described(encoder),
        pooling=described(pooling),
        features={**described(features), "_partial_": False},
        sizes=sizes,
        task="multi_label",
        classes=CLASSES,
        weights=Classifier(encoder, pooling, *sizes.values()).state_dict(),
        decisions=None,
        origin={},
    )
    return Model(description)


def write_files(folder: Path, ending: str, count: int, seconds: float) -> list[Path]:
    """Write noise: 16-bit stereo at 44.1 kHz as FLAC, or mono at the network's rate as WAV."""
    rate, channels = (44_100, 2) if ending == ".flac" else (RATE, 1)
    rng = np.random.default_rng(0)
    paths = [folder / f"{number:03d}{ending}" for number in range(count)]
    for path in paths:
        samples = 0.2 * rng.standard_normal((round(seconds * rate), channels))
        soundfile.write(path, samples, rate, subtype="PCM_16")
    return paths


def predict_files(model: Model, paths: Sequence[Path]) -> None:
    """Predict files as the command does."""
    for path, found in Ensemble([model]).predict_files(paths):
        assert not isinstance(found, str), (path, found)


def predict_sound(model: Model, sound: Sequence[Any]) -> None:
    """Predict what was decoded before."""
    for samples in sound:
        model.predict(samples, RATE)


def main() -> None:
    """Measure, and print one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--files", type=int, default=24, help="of each kind, for att")
    arguments.add_argument("--seconds", type=float, default=60.0, help="of each file")
    options = read(arguments, rounds=1, files=2, seconds=1.0)
    torch.set_num_threads(options.threads)

    title = f"Audio tagged on {options.threads} threads, {options.seconds:g} s a file"
    table = Table(
        "network", "files", "bare, h/min", "predict, h/min", "predict / bare", title=title
    )
    with tempfile.TemporaryDirectory() as folder:
        for ending in (".flac", ".wav"):
            paths = write_files(Path(folder), ending, options.files, options.seconds)
            sound = [read_audio(path, RATE) for path in paths]
            for name in NETWORKS:
                model = untrained(name)
                # A sixth of the files takes an encoder of sound as long as all of them take att.
                count = len(paths) if name == "att" else max(2, len(paths) // 6)
                times = milliseconds(
                    {
                        "bare": partial(predict_sound, model, sound[:count]),
                        "predict": partial(predict_files, model, paths[:count]),
                    },
                    options.rounds,
                )
                hours = count * options.seconds / 3600
                speeds = {call: hours / (median(t) / 60_000) for call, t in times.items()}
                rounds = zip(times["bare"], times["predict"], strict=True)
                ratio = median(bare / predict for bare, predict in rounds)
                figures = (f"{speeds[call]:.1f}" for call in ("bare", "predict"))
                table.add_row(name, ending, *figures, f"{ratio:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
