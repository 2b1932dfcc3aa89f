"""A corpus small enough for tests, and learnable: each class lights up features of its own."""

from dataclasses import dataclass

import numpy as np

from musicssl.data.corpus import Corpus
from musicssl.errors import InputError


@dataclass(frozen=True)
class Tiny:
    num_clips: int = 120
    num_instances: int = 5
    num_features: int = 8
    num_classes: int = 3
    variable_lengths: bool = False
    validation: bool = True
    seed: int = 0

    def prepare(self) -> None:
        """Nothing is derived."""

    def load(self) -> Corpus:
        rng = np.random.default_rng(self.seed)
        shape = (self.num_clips, self.num_instances, self.num_classes)
        activity = rng.random(shape) < 0.3
        lengths = None
        if self.variable_lengths:
            lengths = rng.integers(2, self.num_instances + 1, self.num_clips)
            activity &= (np.arange(self.num_instances) < lengths[:, None])[..., None]
        patterns = rng.random((self.num_classes, self.num_features))
        noise = 0.1 * rng.random((*shape[:2], self.num_features))
        x = np.clip(activity @ patterns + noise, 0, 2).astype(np.float32)
        y = activity.any(axis=1).astype(np.float32)
        fold = np.arange(self.num_clips) % 10
        split = np.where(fold < 7, "train", np.where(fold < 8, "val", "test"))
        if not self.validation:
            split[split == "val"] = "train"
        return Corpus(
            name="tiny",
            classes=tuple("abcdefghijklmnopqrstuvwxyz"[: self.num_classes]),
            x=x,
            y=y,
            mask=np.ones_like(y, dtype=bool),
            split=split,
            clip_ids=np.array([f"tiny-{i:03d}" for i in range(self.num_clips)]),
            lengths=lengths,
            activity=activity,
        )

    def audio(self, clip_id: str) -> tuple[np.ndarray, int]:
        raise InputError(f"{clip_id}: tiny has no sound; look at its instances.")
