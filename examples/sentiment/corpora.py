"""Two corpora of tokens: VGMIDI from the user's folder, and pieces in major and minor by rule."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from examples.sentiment.events import Note, encode, read_midi
from musicssl.data.corpus import Corpus, InMemory
from musicssl.errors import InputError

_SCALES = {True: (0, 2, 4, 5, 7, 9, 11), False: (0, 2, 3, 5, 7, 8, 11)}  # major, harmonic minor
_PROGRESSIONS = ((0, 3, 4, 0), (0, 5, 3, 4), (0, 3, 0, 4), (0, 1, 4, 0))  # degrees, a bar each


@dataclass(frozen=True)
class Piece:
    """A piece: its name, its tokens, whether it is positive (None: unknown), and its split."""

    name: str
    tokens: list[int]
    positive: bool | None
    split: str
    group: str


@dataclass(frozen=True)
class MajorMinor(InMemory):
    """Piano pieces composed by rule, positive if they are in major.

    A piece has a key, a tempo and one of four progressions. Chords and melody are drawn from the
    scale: major, or harmonic minor. Tempo, velocity, rhythm and key are independent of the mode.

    Attributes:
        unlabelled: Number of training pieces without a label.
        labelled: Number of training pieces with one.
        validation: Number of pieces that validate, all labelled.
        test: Number of pieces that test, all labelled.
        keys: Number of tonics, from C upwards.
        bars: Length of a piece, in bars.
        clip_tokens: Tokens of a clip; pieces are cut into such windows.
        seed: Of the pieces.
    """

    unlabelled: int = 1000
    labelled: int = 60
    validation: int = 60
    test: int = 400
    keys: int = 3
    bars: int = 8
    clip_tokens: int = 128
    seed: int = 0

    def load(self) -> Corpus:
        """Compose the corpus."""
        rng = np.random.default_rng(self.seed)
        parts = [("train", True, self.labelled), ("val", True, self.validation)]
        parts += [("test", True, self.test), ("train", False, self.unlabelled)]
        pieces: list[Piece] = []
        for split, known, count in parts:
            for number in range(count):
                major, name = bool(number % 2), f"piece{len(pieces)}"
                tokens = compose(rng, major, self.bars, self.keys)
                pieces.append(Piece(name, tokens, major if known else None, split, name))
        return corpus_of("major_minor", pieces, self.clip_tokens)


@dataclass(frozen=True)
class VGMIDI(InMemory):
    """VGMIDI 0.1 of Ferreira and Whitehead: a clone of https://github.com/lucasnfe/vgmidi.

        labelled/vgmidi_sent_train.csv  labelled/vgmidi_sent_test.csv      label,id,filepath
        labelled/phrases/*.mid          unlabelled/**/*.mid

    `label` is 1 or -1, `id` the piece that a phrase is from. Validation is drawn from the training
    pieces by musicssl, which never divides a piece.

    Attributes:
        root: The folder.
        clip_tokens: Tokens of a clip; phrases and pieces are cut into such windows.
    """

    root: str | None
    clip_tokens: int = 256

    def load(self) -> Corpus:
        """Read the corpus.

        Raises:
            InputError: If there is no such folder, or a file is missing or damaged.
        """
        if self.root is None or not (Path(self.root) / "labelled").is_dir():
            raise InputError(
                f"{self.root} is no copy of VGMIDI; give the folder that holds labelled/ and "
                "unlabelled/, data.root=/data/vgmidi."
            )
        root = Path(self.root)
        pieces = []
        for split in ("train", "test"):
            with (root / "labelled" / f"vgmidi_sent_{split}.csv").open(newline="") as file:
                for row in csv.DictReader(file):
                    path = root / "labelled" / f"{row['filepath'].removesuffix('.mid')}.mid"
                    label = float(row["label"]) > 0
                    pieces.append(Piece(path.stem, read_midi(path), label, split, row["id"]))
        for path in sorted((root / "unlabelled").rglob("*.mid")):
            name = str(path.relative_to(root))
            pieces.append(Piece(name, read_midi(path), None, "train", name))
        return corpus_of("vgmidi", pieces, self.clip_tokens)


def corpus_of(name: str, pieces: Iterable[Piece], clip_tokens: int) -> Corpus:
    """Cut pieces into clips; a rest of less than half a clip is left out, unless it is all."""
    clips = []
    for piece in pieces:
        for start in range(0, len(piece.tokens), clip_tokens):
            tokens = piece.tokens[start : start + clip_tokens]
            if start == 0 or 2 * len(tokens) >= clip_tokens:
                clips.append((f"{piece.name}:{start}", tokens, piece))
    x = np.zeros((len(clips), clip_tokens, 1), np.float32)
    for row, (_, tokens, _) in enumerate(clips):
        x[row, : len(tokens), 0] = tokens
    return Corpus(
        name=name,
        classes=("positive",),
        x=x,
        y=np.array([[bool(piece.positive)] for *_, piece in clips], np.float32),
        mask=np.array([[piece.positive is not None] for *_, piece in clips]),
        split=np.array([piece.split for *_, piece in clips]),
        clip_ids=np.array([clip for clip, *_ in clips]),
        lengths=np.array([len(tokens) for _, tokens, _ in clips]),
        groups=np.array([piece.group for *_, piece in clips]),
    )


def compose(rng: np.random.Generator, major: bool, bars: int, keys: int = 12) -> list[int]:
    """Compose a piece by rule and return its tokens."""
    scale, tonic = _SCALES[major], int(rng.integers(keys))
    progression = _PROGRESSIONS[rng.integers(len(_PROGRESSIONS))]
    tempo, velocity = 4 * rng.integers(15, 40), 4 * int(rng.integers(10, 26))
    notes, place = [], int(rng.integers(7))
    for bar in range(bars):
        root = progression[bar % len(progression)]
        for degree in (root, root + 2, root + 4):
            key = 48 + tonic + scale[degree % 7] + 12 * (degree // 7)
            notes.append(Note(16 * bar, 16, key, velocity))
        now = 16 * bar
        while now < 16 * (bar + 1):
            duration = min(int(rng.choice([2, 4, 4, 8])), 16 * (bar + 1) - now)
            place = int(np.clip(place + rng.integers(-2, 3), 0, 13))
            if now == 16 * bar:  # the first note of a bar belongs to the chord
                place = min(
                    (p for p in range(14) if (p - root) % 7 in (0, 2, 4)),
                    key=lambda p: abs(p - place),
                )
            key = 60 + tonic + scale[place % 7] + 12 * (place // 7)
            notes.append(Note(now, duration, key, velocity))
            now += duration
    return encode(notes, float(tempo))
