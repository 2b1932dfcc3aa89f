"""A synthetic OpenMIC-2018 of thirty clips, file by file as its authors ship it."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from musicssl.datasets.formats.openmic import CLASSES

NUM_CLIPS = 30
KEYS = [f"{17 * n + 46:06d}_{3840 * n}" for n in range(NUM_CLIPS)]
TEST_KEYS = KEYS[::4]
TRAIN_KEYS = [key for key in KEYS if key not in TEST_KEYS]

rng = np.random.default_rng(0)
CODES = rng.integers(0, 256, (NUM_CLIPS, 10, 128))
MASK = rng.random((NUM_CLIPS, 20)) < 0.4
RELEVANCE = np.where(MASK, rng.integers(0, 5, MASK.shape) / 4 + 0.0, 0.5)  # 0.5 also observed


class Bomb:
    """A sample key whose unpickling makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def write_npz(folder: Path, **changes: np.ndarray) -> None:
    members = {"X": CODES, "Y_true": RELEVANCE, "Y_mask": MASK, **changes}
    bombs = np.array([Bomb(folder.parent / "exploded")], dtype=object)
    np.savez(folder / "openmic-2018.npz", sample_key=bombs, **members)


def write_labels(folder: Path, keys: list[str], relevance: np.ndarray, mask: np.ndarray) -> None:
    with (folder / "openmic-2018-aggregated-labels.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sample_key", "instrument", "relevance", "num_responses"])
        for row, column in np.argwhere(mask).tolist():
            writer.writerow([keys[row], CLASSES[column], relevance[row, column], 3])


def write_partitions(folder: Path, pattern: str = "split01_{}.csv") -> None:
    (folder / "partitions").mkdir()
    for split, keys in (("train", TRAIN_KEYS), ("test", TEST_KEYS)):
        (folder / "partitions" / pattern.format(split)).write_text("\n".join(keys) + "\n")


def write_metadata(folder: Path, keys: list[str]) -> None:
    lines = [f"{int(key[:6])},{n % 7},'name',\"a, b\nc\",{key}" for n, key in enumerate(keys)]
    head = "track_id,artist_id,artist_name,track_title,sample_key"
    (folder / "openmic-2018-metadata.csv").write_text("\n".join([head, *lines]) + "\n")


def write_openmic(folder: Path) -> None:
    """Write all that is needed but the audio and the metadata."""
    folder.mkdir()
    (folder / "class-map.json").write_text(json.dumps({n: i for i, n in enumerate(CLASSES)}))
    write_npz(folder)
    write_labels(folder, KEYS, RELEVANCE, MASK)
    write_partitions(folder)
