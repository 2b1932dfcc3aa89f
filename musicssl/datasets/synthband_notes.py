"""Synthesised single notes: a multi-class corpus of instruments or of pitches.

Each clip is one note from its start, of one of the eighteen instruments of synthband that have a
pitch: a family of General MIDI programs, one of which is drawn. Instruments, and the keys of an
instrument, are drawn uniformly. Fonts, rooms and noise are those of `musicssl.datasets.synthband`,
but the default font is played by `musicssl.datasets.synthesis.sampler` too, because symusic plays
some notes out of tune. Plucked notes may end before the clip. The pitch of every note is known, as
a MIDI number, whatever the target is; some programs sound an octave above or below their key. The
audio is synthesised.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from musicssl.cache import build_checked
from musicssl.data.corpus import Corpus
from musicssl.datasets.base.annotations import one_hot
from musicssl.datasets.synthband import NOTE, Synthband
from musicssl.datasets.synthesis.compose import MIN_NOTE_SECONDS, Part, within_register
from musicssl.datasets.synthesis.instruments import CLASSES, INSTRUMENTS

PITCHED = tuple(n for n, instrument in enumerate(INSTRUMENTS) if not instrument.percussion)
PITCHES = tuple(
    str(pitch)
    for pitch in range(
        min(INSTRUMENTS[n].low for n in PITCHED), max(INSTRUMENTS[n].high for n in PITCHED) + 1
    )
)


@dataclass(frozen=True)
class SynthbandNotes(Synthband):
    """A corpus of synthesised notes.

    Attributes and errors are those of `SynthesisSettings`, without parts, levels, scores and the
    target "attributes".

    Attributes:
        clip_seconds: Duration of a clip, in seconds; at least 0.25, of any length.
        target: "family", of the instruments, or "pitch".
    """

    name: ClassVar[str] = "synthband_notes"
    task: ClassVar[str] = "multi_class"
    least_seconds: ClassVar[float] = 0.25
    has_stretches: ClassVar[bool] = False
    exact_pitches: ClassVar[bool] = True
    targets: ClassVar[tuple[str, ...]] = ("family", "pitch")

    clip_seconds: float = 1.0
    target: str = "family"
    min_parts: int = field(default=1, init=False)
    max_parts: int = field(default=1, init=False)
    level_range_db: float = field(default=0.0, init=False)
    scores: None = field(default=None, init=False)

    def load(self) -> Corpus:
        """Open the cache, after rendering if necessary; see `Synthband.load`."""
        corpus = super().load()
        folder = build_checked(self._folder(notes="pitches"), self._build_pitches)
        pitches: NDArray[np.int64] = np.load(folder / "pitches.npy")
        if self.target == "family":
            return replace(corpus, pitches=pitches)
        y = one_hot([str(pitch) for pitch in pitches.tolist()], PITCHES)
        return replace(
            corpus, classes=PITCHES, y=y, mask=np.ones(y.shape, np.bool_), pitches=pitches
        )

    def _build_pitches(self, folder: Path) -> None:
        pitches = [self._pitch(number) for number in range(self.num_clips)]
        np.save(folder / "pitches.npy", np.array(pitches, np.int64))

    def _pitch(self, number: int) -> int:
        """Return the key of the note of a clip as its font plays it."""
        [part] = self._as_played(number, self._score(number))
        return int(part.keys[0])

    def _class_names(self) -> tuple[str, ...]:
        return tuple(CLASSES[n] for n in PITCHED) if self.target == "family" else PITCHES

    def _kept_classes(self, train: NDArray[np.bool_]) -> list[int]:
        return list(PITCHED)

    def _score(self, number: int) -> list[Part]:
        """Draw the note of a clip."""
        rng = np.random.default_rng([self.seed, number, NOTE])
        column = int(rng.choice(PITCHED))
        low, high = self.register or (0.0, 1.0)
        instrument = within_register(INSTRUMENTS[column], (low, high))
        key = rng.integers(instrument.low, instrument.high + 1)
        longest = min(instrument.ring_seconds, self.clip_seconds)
        return [
            Part(
                column=column,
                program=int(rng.choice(instrument.programs)),
                starts=np.zeros(1),
                durations=np.array([max(longest, MIN_NOTE_SECONDS)]),
                keys=np.array([key], np.int64),
            )
        ]

    def _settings(self) -> dict[str, Any]:
        return super()._settings() | {"notes_version": 1}
