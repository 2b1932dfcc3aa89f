"""Single notes small enough for tests: the pitch is which band sounds, the instrument how long."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from musicssl.data.corpus import Corpus
from musicssl.errors import InputError
from musicssl.schedules import constant

PITCHES = (60, 62, 64, 67)
FRAMES, BANDS = 8, 8


@dataclass(frozen=True)
class Notes:
    """Notes of three instruments, that sound for two, four and seven frames.

    Attributes:
        num_clips: Of which 70 % train, 10 % validate, 20 % test.
        has_pitches: Whether the corpus says which pitches they have.
    """

    num_clips: int = 200
    has_pitches: bool = True

    def prepare(self) -> None:
        """Nothing is derived."""

    def load(self) -> Corpus:
        rng = np.random.default_rng(0)
        family = rng.integers(3, size=self.num_clips)
        place = rng.integers(len(PITCHES), size=self.num_clips)
        x = 0.05 * rng.random((self.num_clips, FRAMES + 1, BANDS))
        sounding = np.arange(FRAMES + 1) < np.array([2, 4, 7])[family][:, None]
        for band in (place, place + 4):  # a fundamental and a partial
            x[np.arange(self.num_clips), :, band] += 0.8 * sounding
        y = np.eye(3, dtype=np.float32)[family]
        fold = np.arange(self.num_clips) % 10
        return Corpus(
            name="notes",
            classes=("short", "middling", "long"),
            x=x.astype(np.float32),
            y=y,
            mask=np.ones_like(y, dtype=bool),
            split=np.where(fold < 7, "train", np.where(fold < 8, "val", "test")),
            clip_ids=np.array([f"notes-{number:03d}" for number in range(self.num_clips)]),
            task="multi_class",
            pitches=np.array(PITCHES)[place] if self.has_pitches else None,
        )

    def audio(self, clip_id: str) -> tuple[np.ndarray, int]:
        raise InputError(f"{clip_id} has no sound.")


def note_parts(**changes):
    """Return what a `PitchTimbre` of these notes is built from."""
    parts = {
        "optimizer": partial(torch.optim.Adam, lr=3e-3),
        "schedule": constant,
        "num_features": BANDS,
        "num_instances": FRAMES + 1,
        "num_classes": 3,
        "task": "multi_class",
        "num_frames": FRAMES,
        "units": 16,
        "latent_dim": 4,
    }
    return parts | changes
