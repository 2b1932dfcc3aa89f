"""Sixteen bars of tunes in 4/4 as tokens, from ABC files or composed by rule."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.data import melodies
from musicssl.data.corpus import Corpus
from musicssl.datasets.formats.abc_bars import GRID, TICKS, bars_of, tunes_in
from musicssl.datasets.formats.abc_notation import Tune
from musicssl.errors import InputError

BARS = 16  # of a clip
HOLD, REST, LOWEST, TOKENS = 0, 1, 46, 53  # the rest are keys from LOWEST + 2 = 48 up to 98
_RHYTHMS = ((0, 6, 12, 18), (0, 3, 6, 9, 12), (0, 6, 9, 12, 18, 21), (0, 12, 14, 16, 18))  # ticks
_SHAPES = ((0, 1, 2, 3), (4, 2, 0), (0, 2, 1, 3), (0, 0, 4))  # degrees above the first one
_SHARE = {"test": 0.2, "val": 0.1}


@dataclass(frozen=True)
class Tunes:
    """Clips of sixteen bars, (N, 384, 1); their class is whether the tune is in major.

    A token is the key that begins at a tick, a rest, or HOLD. No tune is in two splits.

    Attributes:
        root: Folder of .abc files; of these, tunes in 4/4 of sixteen bars or more are used. None
            for tunes composed by rule.
        tunes: Number of tunes composed by rule.
        seed: Of the composed tunes and of the split.
    """

    root: str | None = None
    tunes: int = 1000
    seed: int = 0

    def prepare(self) -> None:
        """Do nothing: there is nothing to prepare."""

    def audio(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """Say that there is no sound."""
        raise InputError(f"{clip_id}: these clips are notes without sound.")

    def load(self) -> Corpus:
        """Read or compose the tunes.

        Raises:
            InputError: If the folder has no tune that can be used.
        """
        rng = np.random.default_rng(self.seed)
        clips: list[tuple[str, str, bool, NDArray[np.int64]]] = []
        if self.root is None:
            for number in range(self.tunes):
                is_major, tokens = compose(rng)
                clips.append((f"tune{number}", f"tune{number}", is_major, tokens))
        else:
            clips = read_clips(Path(self.root))
        groups = np.array([group for _, group, *_ in clips])
        names, members = np.unique(groups, return_inverse=True)
        places = rng.permutation(len(names))[members] / len(names)
        is_val = (places >= _SHARE["test"]) & (places < sum(_SHARE.values()))
        return Corpus(
            name="tunes",
            classes=("major",),
            x=np.stack([tokens for *_, tokens in clips])[..., None].astype(np.float32),
            y=np.array([[is_major] for *_, is_major, _ in clips], np.float32),
            mask=np.ones((len(clips), 1), bool),
            split=np.where(places < _SHARE["test"], "test", np.where(is_val, "val", "train")),
            clip_ids=np.array([clip for clip, *_ in clips]),
            groups=groups,
        )


def read_clips(folder: Path) -> list[tuple[str, str, bool, NDArray[np.int64]]]:
    """Return name, tune, mode and tokens of all clips in the .abc files of a folder.

    A tune that is there in several settings, which have the same title, is one group.

    Raises:
        InputError: If there is none.
    """
    clips = []
    for name, tune in tunes_in(folder):
        tokens, group = tokens_of(tune), tune.title.lower() or name
        for start in range(0, len(tokens) - BARS + 1, BARS):
            bars = tokens[start : start + BARS].ravel()
            clips.append((f"{name}:{start}", group, tune.is_major, bars))
    if not clips:
        raise InputError(
            f"{folder} has no .abc file with a tune of {BARS} bars in 4/4 between the keys 48 and "
            "98; give another folder, data.root=/data/session."
        )
    return clips


def tokens_of(tune: Tune) -> NDArray[np.int64]:
    """Return the full bars of a tune in 4/4, (K, TICKS); none if a key is out of range."""
    bars = bars_of(tune)
    tokens = np.where(bars == melodies.REST, REST, bars - LOWEST)
    tokens[bars == melodies.HOLD] = HOLD
    in_range = (tokens >= HOLD) & (tokens < TOKENS) & ((bars < 0) | (tokens > REST))
    return tokens if in_range.all() else tokens[:0]


def compose(rng: np.random.Generator) -> tuple[bool, NDArray[np.int64]]:
    """Compose a tune by rule; return whether it is in major, and its tokens.

    Two bars take turns in the first half of the tune and two others in the second half. So a
    missing bar can be known from those of its own half: from the past or from the future.
    """
    is_major, tonic = bool(rng.integers(2)), 60 + int(rng.integers(0, 3))
    scale = (0, 2, 4, 5, 7, 9, 11) if is_major else (0, 2, 3, 5, 7, 8, 10)

    def bar() -> list[tuple[int, int]]:
        """Return the ticks and the degrees of a bar: one of 64."""
        degree, shape = int(rng.integers(4)), _SHAPES[rng.integers(len(_SHAPES))]
        ticks = _RHYTHMS[rng.integers(len(_RHYTHMS))]
        return [(tick, degree + shape[row % len(shape)]) for row, tick in enumerate(ticks)]

    tokens = np.full((BARS, TICKS), HOLD)
    for row, notes in enumerate([*[bar(), bar()] * 4, *[bar(), bar()] * 4]):
        for tick, degree in notes:
            tokens[row, tick] = tonic + scale[degree % 7] + 12 * (degree // 7) - LOWEST
    return is_major, tokens.ravel()


def notes_of(tokens: NDArray[np.int64]) -> list[tuple[float, float, int]]:
    """Return start and duration in bars, and MIDI key, of the notes of a clip, (BARS * TICKS,)."""
    times = np.concatenate([[bar + GRID for bar in range(len(tokens) // TICKS)]]).ravel()
    starts = np.flatnonzero(tokens != HOLD).tolist()
    ends = [*times[starts[1:]].tolist(), len(tokens) / TICKS] if starts else []
    return [
        (float(times[row]), end - float(times[row]), int(tokens[row]) + LOWEST)
        for row, end in zip(starts, ends, strict=True)
        if tokens[row] != REST
    ]
