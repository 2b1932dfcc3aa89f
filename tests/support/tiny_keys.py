"""One of three tones in each clip, several clips to a group, and answers that are partly right."""

from dataclasses import dataclass

import numpy as np

from musicssl.data.corpus import Corpus
from musicssl.errors import InputError
from tests.support.tiny_sound import RATE, ArraySound


@dataclass(frozen=True)
class TinyKeys:
    """Clips of a second; those of a group are of one pitch."""

    num_groups: int = 30
    clips_each: int = 4
    seed: int = 0

    def prepare(self) -> None:
        """Nothing is derived."""

    def load(self) -> Corpus:
        rng = np.random.default_rng(self.seed)
        key = rng.choice(3, self.num_groups, p=[0.5, 0.3, 0.2])
        pitch = np.array([60, 120, 240])[key] + rng.integers(-55, 55, self.num_groups)  # Hz
        group = np.arange(self.num_groups).repeat(self.clips_each)
        time = np.arange(RATE) / RATE
        tones = 0.2 * np.sin(2 * np.pi * np.outer(pitch[group], time))
        noise = 0.1 * rng.standard_normal(tones.shape)
        fold = group % 10
        return Corpus(
            name="tiny_keys",
            classes=("low", "middle", "high"),
            x=ArraySound([*(tones + noise).astype(np.float32)]),
            y=np.eye(3, dtype=np.float32)[key[group]],
            mask=np.ones((len(group), 3), dtype=bool),
            split=np.where(fold < 7, "train", np.where(fold < 8, "val", "test")),
            clip_ids=np.array([f"key-{i:03d}" for i in range(len(group))]),
            groups=np.array([f"piece-{g}" for g in group]),
            task="multi_class",
            credit=np.array([[1, 0.5, 0], [0.3, 1, 0.5], [0, 0.3, 1]], np.float32),
        )

    def audio(self, clip_id: str) -> tuple[np.ndarray, int]:
        raise InputError(f"{clip_id}: tiny keys are in memory only; look at their samples.")
