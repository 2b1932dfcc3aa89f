"""A folder of recordings with a table of labels, and runs that were trained on it."""

from pathlib import Path

import numpy as np
import soundfile

from musicssl.cli import training
from musicssl.runs.folder import RunFolder
from tests.support.commands import composed

RATE = 8000  # Hz
CLASSES = ("high", "low", "middle")
_HERTZ = {"low": 200, "middle": 800, "high": 2000}


def tones(rng, seconds, rate=RATE):
    """Return sound in which each class sounds in about half of the seconds, and what sounds."""
    time = np.arange(int(seconds * rate)) / rate
    active = rng.random((int(np.ceil(seconds)), len(CLASSES))) < 0.3
    sounds = active[(time).astype(int)]  # (S, C)
    waves = np.sin(2 * np.pi * np.outer(time, [_HERTZ[name] for name in CLASSES]))
    audio = 0.2 * (sounds * waves).sum(1) + 0.01 * rng.standard_normal(len(time))
    return audio.astype(np.float32), active


def write_folder(folder: Path, num_clips: int = 30, seconds: float = 3.3) -> Path:
    """Write recordings and labels.csv; every third clip tests, every fifth validates."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = ["path,labels,split"]
    for clip in range(num_clips):
        audio, active = tones(rng, seconds)
        soundfile.write(folder / f"{clip:02d}.wav", audio, RATE, "FLOAT")
        present = [name for name, on in zip(CLASSES, active.any(0), strict=True) if on]
        split = "test" if clip % 3 == 0 else "val" if clip % 5 == 1 else "train"
        rows.append(f"{clip:02d}.wav,{';'.join(present) or 'none'},{split}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


def train_on(folder: Path, run: Path, *overrides: str) -> RunFolder:
    """Train for two epochs on such a folder."""
    settings = (
        *("dataset=audio_folder", f"data.root={folder}", f"data.cache={run}/cache"),
        f"dataset.classes=[{','.join(CLASSES)}]",
        *(f"features.sample_rate={RATE}", "trainer=cpu", "trainer.max_epochs=2"),
        *("data.batch_size=8", "dataset.num_workers=1", *overrides),
    )
    result = RunFolder(run)
    training.run(composed("train", run, *settings), result)
    return result


INSTANCES = ("features.num_mels=16", "features.num_coefficients=5", "encoder.num_layers=1")
SOUND = (
    *("encoder=crnn", "encoder.sample_rate=8000", "encoder.chunk_samples=4000"),
    *("encoder.width=4", "encoder.hidden=4", "optimizer.lr=0.01"),
)
