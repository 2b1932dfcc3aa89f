"""The twenty classes of synthband and their General MIDI programs.

Eighteen classes of OpenMIC-2018 have General MIDI programs (mandolin and ukulele have none);
electric guitar and harp are the other two. Programs are numbered from 0, keys as in MIDI (middle C
is 60). A range is that of the instrument, without the keys that
`musicssl.datasets.synthesis.render` lists as unsafe.
"""

from dataclasses import dataclass
from enum import Enum


class Role(Enum):
    """The role of a part in the band."""

    BASS = "bass"
    CHORDS = "chords"
    MELODY = "melody"
    DRUMS = "drums"
    CYMBALS = "cymbals"


@dataclass(frozen=True)
class Instrument:
    """A class, with its programs and the constraints of the composer.

    Attributes:
        name: Name of the class.
        programs: General MIDI programs, or kits of percussion.
        low: Lowest key.
        high: Highest key.
        roles: Possible roles in the band.
        ring_seconds: Longest note, in seconds: a label must not be longer than a plucked sound.
    """

    name: str
    programs: tuple[int, ...]
    low: int
    high: int
    roles: tuple[Role, ...]
    ring_seconds: float = 4.0

    @property
    def percussion(self) -> bool:
        """Whether keys mean drums and cymbals instead of pitches."""
        return self.roles[0] in (Role.DRUMS, Role.CYMBALS)


# Keys whose sound is as long as the label of a stroke, unlike snare 38, kit 24 and closed hi-hats.
KICKS = (35, 36)
SNARE = 40
TOMS = (41, 45, 48)
RIDES = (46, 51, 53, 59)  # and the open hi-hat
CRASHES = (49, 52, 55, 57)

_KITS = (0, 8, 16, 25, 32, 40, 48)
_ACCOMPANY = (Role.CHORDS, Role.MELODY)
_LEAD = (Role.MELODY,)

INSTRUMENTS = (
    Instrument("accordion", (21, 23), 53, 84, _ACCOMPANY),
    Instrument("banjo", (105,), 50, 79, _ACCOMPANY, ring_seconds=1.0),
    Instrument("bass", (32, 33, 34, 35, 36, 37), 28, 50, (Role.BASS,), ring_seconds=2.0),
    Instrument("cello", (42,), 36, 69, (Role.BASS, Role.MELODY)),
    Instrument("clarinet", (71,), 50, 84, _LEAD),
    Instrument("cymbals", _KITS, 46, 59, (Role.CYMBALS,), ring_seconds=0.5),
    Instrument("drums", _KITS, 35, 48, (Role.DRUMS,), ring_seconds=0.2),
    Instrument("electric_guitar", (26, 27, 28, 29, 30), 40, 76, _ACCOMPANY, ring_seconds=2.0),
    Instrument("flute", (73,), 60, 86, _LEAD),
    Instrument("guitar", (24, 25), 40, 76, _ACCOMPANY, ring_seconds=1.5),
    Instrument("harp", (46,), 36, 84, _ACCOMPANY, ring_seconds=1.0),
    Instrument("mallet_percussion", (9, 11, 12, 13), 53, 84, _ACCOMPANY, ring_seconds=0.5),
    Instrument("organ", (16, 17, 18, 19, 20), 41, 84, _ACCOMPANY),
    Instrument("piano", (0, 1, 2, 3), 36, 84, _ACCOMPANY, ring_seconds=1.0),
    Instrument("saxophone", (64, 66, 67), 49, 76, _LEAD),
    Instrument("synthesizer", (80, 81, 82, 84, 87, 88, 89, 90, 95), 40, 80, _ACCOMPANY),
    Instrument("trombone", (57,), 40, 69, _LEAD),
    Instrument("trumpet", (56, 59), 64, 82, _LEAD),
    Instrument("violin", (40, 110), 55, 84, _LEAD),
    Instrument("voice", (52, 53, 54), 48, 76, _ACCOMPANY),
)

CLASSES = tuple(instrument.name for instrument in INSTRUMENTS)
