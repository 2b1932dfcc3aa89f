"""Piano music as a sequence of event tokens, and back.

The events are those of Ferreira and Whitehead 2019, https://arxiv.org/abs/2103.06125: `t_` sets the
tempo, `v_` the velocity and `d_` the duration of the notes that follow, `n_` plays a note, and `w_`
waits. Time is counted in sixteenths. Deviation: one `w_` token waits for up to 16 sixteenths, and
durations are whole sixteenths, so that sequences are shorter than the authors'.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick
from torch import Tensor

from musicssl.errors import InputError

STEPS = 4  # sixteenths of a quarter
_SIZES = {"pad": 1, "t": 35, "v": 32, "d": 32, "n": 128, "w": 16}  # tokens of each kind
FIRST = {kind: sum(list(_SIZES.values())[:i]) for i, kind in enumerate(_SIZES)}
VOCABULARY = sum(_SIZES.values())


class Note(NamedTuple):
    """A note: start and duration in sixteenths, MIDI key, MIDI velocity."""

    start: int
    duration: int
    key: int
    velocity: int


def encode(notes: Iterable[Note], tempo: float) -> list[int]:
    """Return the tokens of notes at a tempo in quarters per minute."""
    tokens = [_token("t", (tempo - 24) / 4)]
    now, velocity, duration = 0, -1, -1
    for note in sorted(notes):
        while note.start > now:
            wait = min(note.start - now, _SIZES["w"])
            tokens.append(_token("w", wait - 1))
            now += wait
        for kind, value, before in (
            ("v", _token("v", note.velocity / 4 - 1), velocity),
            ("d", _token("d", note.duration - 1), duration),
        ):
            if value != before:
                tokens.append(value)
            velocity, duration = (value, duration) if kind == "v" else (velocity, value)
        tokens.append(_token("n", note.key))
    return tokens


def decode(tokens: Sequence[int]) -> tuple[list[Note], float]:
    """Return the notes of tokens and the first tempo; what is not said is 120, 64 and a quarter."""
    now, velocity, duration, tempo = 0, 64, STEPS, 0.0
    notes = []
    for token in tokens:
        kind = max((k for k in FIRST if FIRST[k] <= token), key=lambda k: FIRST[k])
        value = token - FIRST[kind]
        if kind == "n":
            notes.append(Note(now, duration, value, velocity))
        elif kind == "w":
            now += value + 1
        elif kind == "v":
            velocity = min(4 * (value + 1), 127)
        elif kind == "d":
            duration = value + 1
        elif kind == "t":
            tempo = tempo or 24 + 4 * value
    return notes, tempo or 120.0


def transposed(tokens: Tensor, semitones: Tensor) -> Tensor:
    """Transpose sequences, (B, T), each by its own number of semitones, (B,).

    A sequence that would leave the range of MIDI stays as it is.
    """
    is_note = (tokens >= FIRST["n"]) & (tokens < FIRST["w"])
    moved = tokens + semitones[:, None] * is_note
    fits = ((moved >= FIRST["n"]) & (moved < FIRST["w"]) | ~is_note).all(dim=1, keepdim=True)
    return moved.where(fits, tokens)


def read_midi(path: Path) -> list[int]:
    """Return the tokens of a MIDI file, its tracks together.

    Raises:
        InputError: If the file cannot be read or has no note.
    """
    try:
        score = ScoreTick(path)
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(
            f"{path} cannot be read as MIDI ({error}); replace or remove it."
        ) from error
    unit = score.ticks_per_quarter / STEPS
    notes = [
        Note(round(n.start / unit), max(1, round(n.duration / unit)), n.pitch, n.velocity)
        for track in score.tracks
        if not track.is_drum
        for n in track.notes
    ]
    if not notes:
        raise InputError(f"{path} has no note; remove it from the list.")
    return encode(notes, score.tempos[0].qpm if len(score.tempos) else 120.0)


def write_midi(path: Path, tokens: Sequence[int]) -> None:
    """Write the notes of tokens to a MIDI file."""
    notes, tempo = decode(tokens)
    score = ScoreTick(480)
    track, unit = TrackTick("piano", 0, False), 480 // STEPS
    for note in notes:
        track.notes.append(
            NoteTick(note.start * unit, note.duration * unit, note.key, note.velocity)
        )
    score.tracks.append(track)
    score.tempos.append(TempoTick(0, tempo))
    score.dump_midi(str(path))


def _token(kind: str, value: float) -> int:
    return FIRST[kind] + min(max(round(value), 0), _SIZES[kind] - 1)
