"""Rendering of notes with symusic's synthesizer and the SoundFont of pretty_midi.

symusic 0.5.9 with TimGM6mb.sf2 has several faults, each verified, and each avoided here or in
`instruments`:

- Above key 87 the loops of some samples are rounded to length 0, and `render` never returns (at a
  sample rate of 8 kHz also for much lower keys; therefore `SAMPLE_RATES`).
- Alto saxophone (65) and trumpet (56) below key 64 read beyond the end of a sample, so that the
  sound differs in each process.
- A note that ends after the last note extends the buffer by uninitialised memory; therefore we add
  a last note after the end of the clip, which is cut off.
- A synthesizer caches resampled samples by key only, but programs that share a sample differ in
  level, so that earlier notes change the sound. Therefore each program has its own synthesizer.
- Some samples sound at another pitch than their key's: key 64 of the violin at 735 Hz instead of
  330, the cello a tone low. It is the same in every clip. Where pitches matter,
  `musicssl.datasets.synthesis.sampler` plays the same font in tune.
- Velocity and controllers have no effect; `musicssl.datasets.synthesis.mix` sets the levels.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteSecondList, ScoreSecond, Synthesizer, TrackSecond

from musicssl.datasets.synthesis.compose import MIN_NOTE_SECONDS, Part

SAMPLE_RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # Hz; every key checked
_VELOCITY = 100
_BEST_QUALITY = 0  # quality of resampling


def render(part: Part, clip_seconds: float, sample_rate: int) -> NDArray[np.float32]:
    """Render one part alone, dry, at the level of the SoundFont.

    Args:
        part: The part.
        clip_seconds: Duration of the clip, in seconds.
        sample_rate: Sample rate, in Hz, one of `SAMPLE_RATES`.

    Returns:
        Samples, (S,), S = `round(clip_seconds * sample_rate)`.
    """
    starts = np.append(part.starts, clip_seconds).astype(np.float32)
    durations = np.append(part.durations, MIN_NOTE_SECONDS).astype(np.float32)
    keys = np.append(part.keys, part.keys[0]).astype(np.int8)
    velocities = np.full_like(keys, _VELOCITY)
    percussion = part.instrument.percussion
    track = TrackSecond("", part.program, percussion)
    track.notes = NoteSecondList.from_numpy(starts, durations, keys, velocities)
    score = ScoreSecond(0)
    score.tracks.append(track)
    sound = _synthesizer(part.program, percussion, sample_rate).render(score, stereo=False)
    return np.array(sound[0, : round(clip_seconds * sample_rate)])


@cache
def _synthesizer(program: int, percussion: bool, sample_rate: int) -> Synthesizer:
    """Open the SoundFont for one program; the 60 programs of synthband take 150 MB in total."""
    return Synthesizer(default_sound_font(), sample_rate, _BEST_QUALITY)


def default_sound_font() -> Path:
    """Return the SoundFont of pretty_midi, without importing it, which is slow."""
    spec = find_spec("pretty_midi")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pretty_midi, whose SoundFont synthband plays, is not installed")
    return Path(spec.origin).with_name("TimGM6mb.sf2")
