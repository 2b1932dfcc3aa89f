"""A corpus as a module of `musicssl.datasets` would have it, with a list of files and one class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import soundfile

from musicssl.datasets.base.annotations import Annotations
from musicssl.datasets.base.recordings import Recordings

RATE = 8_000
SECONDS = {"a.wav": 2.0, "b/c.flac": 3.0, "d.ogg": 1.0, "e.wav": 2.0}


@dataclass(frozen=True)
class BirdCalls(Recordings):
    """Recordings of birds, of which every other one sings."""

    name: ClassVar[str] = "bird_calls"
    folders: ClassVar[Sequence[str]] = ("birds",)
    marks: ClassVar[Sequence[str]] = ("birds.txt",)
    get: ClassVar[str] = "listen at dawn"

    repeats: int = 1
    bird: str = "wren"

    def annotations(self) -> Annotations:
        paths = (self.folder / "birds.txt").read_text().split()
        y = (np.arange(len(paths)) % 2).astype(np.float32)[:, None]
        activity = np.zeros((len(paths), 3, 1), bool)
        activity[:, 0] = y > 0
        return Annotations(
            classes=(self.bird,),
            paths=tuple(paths),
            y=y,
            mask=np.ones(y.shape, bool),
            split=np.array(["train", "train", "val", "test", "test"][: len(paths)]),
            groups=np.array([f"wood {row}" for row in range(len(paths))]),
            activity=activity,
            left_out={"f.wav": "holds a cough"},
        )


def write_bird_calls(folder):
    rng = np.random.default_rng(0)
    (folder / "b").mkdir(parents=True)
    for name, seconds in SECONDS.items():
        soundfile.write(folder / name, rng.uniform(-0.5, 0.5, round(seconds * RATE)), RATE)
    (folder / "birds.txt").write_text("\n".join(SECONDS))
    return folder
