"""What varies from clip to clip beyond the notes: programs, velocity, tuning.

The notes of a clip depend neither on these nor on the SoundFont that plays them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from musicssl.datasets.synthesis.compose import Part
from musicssl.datasets.synthesis.instruments import (
    CRASHES,
    INSTRUMENTS,
    KICKS,
    RIDES,
    SNARE,
    TOMS,
    Instrument,
    Role,
)
from musicssl.datasets.synthesis.sampler import VELOCITY
from musicssl.datasets.synthesis.sound_font import SoundFont
from musicssl.errors import InputError

_DRUM_KEYS = {Role.DRUMS: (*KICKS, SNARE, *TOMS), Role.CYMBALS: (*RIDES, *CRASHES)}


@dataclass(frozen=True)
class Variation:
    """How the instruments of a clip vary.

    Attributes:
        programs: Programs of each class that are used, the first of those that the font has; None
            for all.
        velocity: Range from which the velocity of each note is drawn, or None for what the part
            says.
        tuning_cents: Largest deviation of the tuning of a part from standard pitch, in cents, up or
            down; drawn uniformly.
    """

    programs: int | None = None
    velocity: Sequence[int] | None = None
    tuning_cents: float = 0.0

    def __call__(
        self, rng: np.random.Generator, parts: Sequence[Part], font: SoundFont | None
    ) -> list[Part]:
        """Return the parts as the font plays them.

        A program that the font does not have, or that is not used, is replaced by another one of
        its class; keys that it does not have are moved by octaves, or to another drum of the class.
        Each choice draws from its own stream of random numbers.

        Args:
            rng: Generator of all choices.
            parts: The parts.
            font: The font; None for the default font played by symusic, where only the programs
                vary.

        Raises:
            InputError: If the font has no program of a class.
        """
        of_programs, of_velocity, of_tuning = rng.spawn(3)
        varied = []
        for part in parts:
            usable = usable_programs(font, part.column)
            chosen = usable[: self.programs]
            keeps = part.program in chosen or (
                self.programs is None
                and font is not None
                and _has_keys(font, part.program, part.instrument, part.keys.tolist())
            )
            program = part.program if keeps else int(of_programs.choice(chosen))
            part = replace(part, program=program)
            if font is None:
                varied.append(part)
                continue
            if self.velocity is not None:
                low, high = self.velocity
                drawn = of_velocity.integers(low, high + 1, len(part.keys))
                part = replace(part, velocities=drawn)
            if self.tuning_cents:
                cents = of_tuning.uniform(-self.tuning_cents, self.tuning_cents)
                part = replace(part, cents=float(cents))
            varied.append(replace(part, keys=_moved(font, part)))
        return varied


@lru_cache(maxsize=4096)
def usable_programs(font: SoundFont | None, column: int) -> tuple[int, ...]:
    """Return the programs of a class with which a font plays all notes of the class.

    Raises:
        InputError: If there is none.
    """
    instrument = INSTRUMENTS[column]
    if font is None:
        return instrument.programs
    usable = tuple(
        program
        for program in instrument.programs
        if _has_keys(font, program, instrument, keys_of(instrument))
    )
    if not usable:
        kind = "kits" if instrument.percussion else "programs"
        raise InputError(
            f"{font.path} cannot play the class {instrument.name}: it has none of the {kind} "
            f"{', '.join(map(str, instrument.programs))} with keys from {keys_of(instrument)[0]} "
            f"to {keys_of(instrument)[-1]}; choose a SoundFont with all of General MIDI."
        )
    return usable


def keys_of(instrument: Instrument) -> list[int]:
    """Return the keys that the composer lets an instrument play, ascending."""
    drums = [key for role in instrument.roles for key in _DRUM_KEYS.get(role, ())]
    return sorted(drums) or list(range(instrument.low, instrument.high + 1))


def _has_keys(font: SoundFont, program: int, instrument: Instrument, keys: list[int]) -> bool:
    return all(font.zones(program, instrument.percussion, key, VELOCITY) for key in set(keys))


def _moved(font: SoundFont, part: Part) -> NDArray[np.int64]:
    """Return the keys of a part, those that the font does not have replaced by the nearest."""
    instrument = part.instrument
    moved = part.keys.copy()
    for note, key in enumerate(part.keys.tolist()):
        if not _has_keys(font, part.program, instrument, [key]):
            others = np.array(keys_of(instrument))
            if not instrument.percussion:
                others = others[(others - key) % 12 == 0]
            moved[note] = others[np.abs(others - key).argmin()]
    return moved
