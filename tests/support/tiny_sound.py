"""Sound small enough for tests, and learnable: each class is a tone of its own."""

import hashlib
from dataclasses import dataclass

import numpy as np

from musicssl.data.corpus import Corpus
from musicssl.errors import InputError

RATE = 800  # Hz


class ArraySound:
    """Recordings in memory, by the slow and obvious way."""

    def __init__(self, recordings, sample_rate=RATE):
        self.recordings = recordings
        self.sample_rate = sample_rate
        self.lengths = np.array([len(recording) for recording in recordings], np.int64)

    @property
    def fingerprint(self):
        return hashlib.sha256(b"".join(r.tobytes() for r in self.recordings)).hexdigest()

    def content(self):
        return "memory", self.fingerprint

    def read(self, rows, starts, num_samples):
        x = np.zeros((len(rows), num_samples), np.float32)
        for place, (row, start) in enumerate(zip(rows, starts, strict=True)):
            stretch = self.recordings[row][start : start + num_samples]
            x[place, : len(stretch)] = stretch
        return x


@dataclass(frozen=True)
class TinySound:
    """Clips of 4 s, or of 2 to 4 s; in each second each of three tones sounds or does not."""

    num_clips: int = 60
    variable_lengths: bool = False
    task: str = "multi_label"
    seed: int = 0

    def prepare(self) -> None:
        """Nothing is derived."""

    def load(self) -> Corpus:
        rng = np.random.default_rng(self.seed)
        seconds = np.full(self.num_clips, 4)
        if self.variable_lengths:
            seconds = rng.integers(2, 5, self.num_clips)
        activity = rng.random((self.num_clips, 4, 3)) < 0.3
        activity &= (np.arange(4) < seconds[:, None])[..., None]
        y = activity.any(axis=1).astype(np.float32)
        fold = np.arange(self.num_clips) % 10
        return Corpus(
            name="tiny_sound",
            classes=("low", "middle", "high"),
            x=ArraySound([_sound(rng, *clip) for clip in zip(activity, seconds, strict=True)]),
            y=y,
            mask=np.ones_like(y, dtype=bool),
            split=np.where(fold < 7, "train", np.where(fold < 8, "val", "test")),
            clip_ids=np.array([f"sound-{i:03d}" for i in range(self.num_clips)]),
            activity=activity,
            task=self.task,
        )

    def audio(self, clip_id: str) -> tuple[np.ndarray, int]:
        raise InputError(f"{clip_id}: tiny sound is in memory only; look at its samples.")


def _sound(rng, activity, seconds):
    time = np.arange(seconds * RATE) / RATE
    loudness = 0.2 * np.repeat(activity[:seconds], RATE, axis=0)  # (S, 3)
    tones = np.sin(2 * np.pi * np.outer(time, [60, 120, 240]) + rng.uniform(0, 6, 3))
    return ((loudness * tones).sum(1) + 0.01 * rng.standard_normal(len(time))).astype(np.float32)
