"""MIDI files written by code."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from symusic.core import NoteSecondList, ScoreSecond, TrackSecond

# program, whether it is percussion, and notes: start and duration in seconds, key, velocity
Track = tuple[int, bool, Sequence[tuple[float, float, int, int]]]


def write_midi(path: Path, tracks: Sequence[Track]) -> Path:
    """Write tracks to a file; times are rounded to 1/960 s."""
    score = ScoreSecond(480)
    for program, percussion, notes in tracks:
        track = TrackSecond("", program, percussion)
        starts, durations, keys, velocities = np.array(notes, float).T
        times = (starts.astype(np.float32), durations.astype(np.float32))
        track.notes = NoteSecondList.from_numpy(
            *times, keys.astype(np.int8), velocities.astype(np.int8)
        )
        score.tracks.append(track)
    score.to("tick").dump_midi(str(path))
    return path


def write_scores(folder: Path, count: int, seconds: float = 20.0) -> Path:
    """Write scores of two to four of piano, bass, flute, drums and strings, drawn from a seed."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    players = [(0, False, 60), (33, False, 40), (73, False, 76), (0, True, 36), (48, False, 60)]
    for number in range(count):
        chosen = rng.choice(len(players), rng.integers(2, 5), replace=False)
        tracks = []
        for program, percussion, key in (players[row] for row in chosen):
            size = int(rng.integers(5, 15))
            starts = np.sort(rng.uniform(0, seconds, size))
            lengths, steps = rng.uniform(0.05, 3, size), rng.integers(0, 12, size)
            keys = np.full(size, key) if percussion else key + steps
            notes = list(zip(starts, lengths, keys, np.full(size, 90), strict=True))
            tracks.append((program, percussion, notes))
        write_midi(folder / f"score_{number:02d}.mid", tracks)
    return folder
