"""The presets and samples of a SoundFont file: SF2, or SF3, whose samples are Ogg Vorbis.

The layout is that of the SoundFont 2.04 specification (Creative, 2006): sections 4 (chunks), 7
(headers, zones and generators), 8.1.2 (generators) and 9.4 (the values of a preset are added to
those of its instruments). What a preset says of filters, vibrato, panning and modulators is not
read; `musicssl.datasets.synthesis.sampler` plays the rest.
"""

import io
import mmap
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from musicssl.cache import file_identity
from musicssl.errors import InputError

DRUM_BANK = 128

_NAME = ("name", "S20")
_TABLES = {
    "phdr": [_NAME, ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("unused", "V12")],
    "pbag": [("generator", "<u2"), ("modulator", "<u2")],
    "pgen": [("operator", "<u2"), ("amount", "<i2")],
    "inst": [_NAME, ("bag", "<u2")],
    "ibag": [("generator", "<u2"), ("modulator", "<u2")],
    "igen": [("operator", "<u2"), ("amount", "<i2")],
    "shdr": [
        *(_NAME, ("start", "<u4"), ("end", "<u4"), ("loop_start", "<u4"), ("loop_end", "<u4")),
        *(("rate", "<u4"), ("key", "u1"), ("cents", "i1"), ("link", "<u2"), ("type", "<u2")),
    ],
}
# Generators, by their numbers in section 8.1.2.
_INSTRUMENT, _SAMPLE, _KEYS, _VELOCITIES, _LOOPS = 41, 53, 43, 44, 54
_COARSE, _FINE, _PER_KEY, _ROOT, _FIXED_KEY, _ATTENUATION = 51, 52, 56, 58, 46, 48
_ATTACK, _HOLD, _DECAY, _SUSTAIN, _RELEASE = 34, 35, 36, 37, 38
_START, _END, _LOOP_START, _LOOP_END = (0, 4), (1, 12), (2, 45), (3, 50)  # fine and coarse offset
_COARSE_STEP = 32_768  # samples
_LOOPED = (1, 3)  # values of _LOOPS: for ever, until the note ends
_LOWEST_RATE = 400  # Hz; section 7.10
_SHORTEST = -12_000  # timecents, a millisecond: the default of all times
_ATTENUATION_SHARE = 0.4  # of what is written; fonts are made for this, not for the specification

Generators = dict[int, int]


@dataclass(frozen=True)
class Zone:
    """A sample for a range of keys and velocities.

    Attributes:
        keys: Lowest and highest key.
        velocities: Lowest and highest velocity.
        start: Start of the sample: in samples, or in bytes if it is compressed.
        end: End of the sample, in the same unit.
        loop: Start and end of the stretch that is repeated, in samples from the start of the
            sample, or None if nothing is repeated.
        rate: Sample rate, in Hz.
        root: Key at which the sample sounds as recorded, except for `tuning`.
        semitones_per_key: Distance of two keys; 0 if all keys sound alike.
        tuning: Added to the pitch of all keys, in semitones.
        attenuation_db: Attenuation, in dB.
        envelope: Attack, hold, decay by 100 dB, in seconds; attenuation while the note lasts, in
            dB; release by 100 dB, in seconds.
    """

    keys: tuple[int, int]
    velocities: tuple[int, int]
    start: int
    end: int
    loop: tuple[int, int] | None
    rate: int
    root: int
    semitones_per_key: float
    tuning: float
    attenuation_db: float
    envelope: tuple[float, float, float, float, float]

    def semitones(self, key: int) -> float:
        """Return the distance of a key from the pitch at which the sample was recorded."""
        return (key - self.root) * self.semitones_per_key + self.tuning


@dataclass(frozen=True, eq=False)
class SoundFont:
    """The presets of a SoundFont file.

    Attributes:
        path: The file.
        identity: SHA-256 of its content.
        presets: Zones by bank (`DRUM_BANK` for percussion) and program.
        compressed: Whether the samples are Ogg Vorbis.
        content: The bytes of all samples.
    """

    path: Path
    identity: str
    presets: dict[tuple[int, int], tuple[Zone, ...]]
    compressed: bool
    content: memoryview

    def zones(self, program: int, percussion: bool, key: int, velocity: int) -> tuple[Zone, ...]:
        """Return the zones that a note plays, none if the font does not have it.

        Args:
            program: General MIDI program, or kit.
            percussion: Whether it is a kit.
            key: MIDI key.
            velocity: MIDI velocity.
        """
        return _playing(self, DRUM_BANK if percussion else 0, program, key, velocity)

    def samples(self, zone: Zone) -> NDArray[np.float32]:
        """Return the samples of a zone, (S,).

        Raises:
            InputError: If they cannot be decoded.
        """
        if not self.compressed:
            samples = np.frombuffer(self.content[2 * zone.start : 2 * zone.end], "<i2")
            return np.asarray(samples, np.float32) / np.float32(32_768)
        vorbis = io.BytesIO(self.content[zone.start : zone.end])
        try:
            decoded, _ = soundfile.read(vorbis, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise _broken(self.path, "a sample is no Ogg Vorbis") from error
        return np.ascontiguousarray(decoded[:, 0])


@lru_cache(maxsize=2**16)
def _playing(font: SoundFont, bank: int, program: int, key: int, velocity: int) -> tuple[Zone, ...]:
    return tuple(
        zone
        for zone in font.presets.get((bank, program), ())
        if zone.keys[0] <= key <= zone.keys[1]
        and zone.velocities[0] <= velocity <= zone.velocities[1]
    )


def check_sound_font_exists(path: Path) -> None:
    """Check that a file is there, which is quick.

    Raises:
        InputError: If it is not.
    """
    if not path.exists():
        raise InputError(
            f"there is no SoundFont {path}; name files that end in .sf2 or .sf3. Packages such as "
            "fluidr3mono-gm-soundfont put them below /usr/share/sounds."
        )
    if not path.is_file():
        raise InputError(f"{path} is no file; name the SoundFonts in it, .sf2 or .sf3.")


def open_sound_font(path: Path) -> SoundFont:
    """Read the presets of a SoundFont file; a file that has not changed is read once.

    Raises:
        InputError: If there is no such file, or it is no SoundFont, or a damaged one.
    """
    check_sound_font_exists(path)
    stat = path.stat()
    return _opened(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=32)
def _opened(path: Path, size: int, modified: int) -> SoundFont:
    if size == 0:
        raise _broken(path, "it is empty")
    with path.open("rb") as file:
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    chunks = _chunks(path, content)
    tables = {name: _table(path, name, chunks) for name in _TABLES}
    version = struct.unpack_from("<H", chunks["ifil"])[0] if len(chunks["ifil"]) >= 4 else 0
    if version not in (2, 3):
        raise _broken(path, f"its version is {version} instead of 2 or 3")
    compressed = version == 3
    size_of_all = len(chunks["smpl"]) // (1 if compressed else 2)
    try:
        presets = _presets(tables, size_of_all, compressed)
    except (IndexError, ValueError) as error:
        raise _broken(path, f"its tables do not fit each other: {error}") from error
    return SoundFont(path, file_identity(path), presets, compressed, chunks["smpl"])


def _broken(path: Path, why: str) -> InputError:
    return InputError(
        f"{path} is no SoundFont that can be played ({why}); download it again, or choose another "
        ".sf2 or .sf3 file."
    )


def _chunks(path: Path, content: memoryview) -> dict[str, memoryview]:
    """Return the content of each chunk by name; chunks in lists are taken out of them."""
    if bytes(content[:4]) != b"RIFF" or bytes(content[8:12]) != b"sfbk":
        raise _broken(path, "it does not begin with RIFF and sfbk")
    if struct.unpack_from("<I", content, 4)[0] > len(content) - 8:
        raise _broken(path, "its end is missing")
    found: dict[str, memoryview] = {}
    for name, chunk in _split(content[12:]):
        if name == "LIST":
            found |= {inner: part for inner, part in _split(chunk[4:]) if inner not in found}
    missing = sorted({"ifil", "smpl", *_TABLES} - found.keys())
    if missing:
        raise _broken(path, f"it has no chunk {' and no '.join(missing)}, or a truncated one")
    return found


def _split(content: memoryview) -> Iterator[tuple[str, memoryview]]:
    offset = 0
    while offset + 8 <= len(content):
        name = bytes(content[offset : offset + 4]).decode("ascii", "replace")
        size = struct.unpack_from("<I", content, offset + 4)[0]
        if offset + 8 + size > len(content):
            return
        yield name, content[offset + 8 : offset + 8 + size]
        offset += 8 + size
        if (
            size % 2 and bytes(content[offset : offset + 1]) == b"\0"
        ):  # some writers leave out the padding
            offset += 1


def _table(path: Path, name: str, chunks: dict[str, memoryview]) -> NDArray[np.void]:
    dtype = np.dtype(_TABLES[name])
    if len(chunks[name]) % dtype.itemsize or not len(chunks[name]):
        raise _broken(path, f"its chunk {name} has a wrong size")
    return np.frombuffer(chunks[name], dtype)


def _presets(
    tables: dict[str, NDArray[np.void]], size: int, compressed: bool
) -> dict[tuple[int, int], tuple[Zone, ...]]:
    """Combine the tables.

    Raises:
        IndexError: If a table has fewer rows than another one says.
        ValueError: If a sample is not within the samples.
    """
    presets: dict[tuple[int, int], tuple[Zone, ...]] = {}
    headers = tables["phdr"].tolist()
    samples = [_sample(row, size) for row in tables["shdr"].tolist()[:-1]]
    for (_, program, bank, first, _), (*_, last, _) in pairwise(headers):
        zones = []
        for of_preset in _zones(tables, "p", first, last, _INSTRUMENT):
            index = of_preset[_INSTRUMENT] & 0xFFFF
            begin, end = (int(tables["inst"]["bag"][i]) for i in (index, index + 1))
            for of_instrument in _zones(tables, "i", begin, end, _SAMPLE):
                sample = samples[of_instrument[_SAMPLE] & 0xFFFF]
                zones.append(_zone(of_preset, of_instrument, sample, compressed))
        presets[bank, program] = (*presets.get((bank, program), ()), *zones)
    return presets


def _sample(row: tuple[Any, ...], size: int) -> tuple[int, ...]:
    """Return start, end, start and end of the loop, rate, key and cents of a sample."""
    name, start, end, loop_start, loop_end, rate, key, cents, _, kind = row
    in_rom = bool(kind & 0x8000)  # of a synthesizer; nothing in the file can be played
    if not in_rom and not 0 <= start <= end <= size:
        raise ValueError(f"the sample {name.decode('ascii', 'replace')!r} is missing")
    return (
        (0, 0, 0, 0, 1, 60, 0) if in_rom else (start, end, loop_start, loop_end, rate, key, cents)
    )


def _zones(
    tables: dict[str, NDArray[np.void]], kind: str, first: int, last: int, target: int
) -> Iterator[Generators]:
    """Yield the generators of each zone, added to those of the global zone, if there is one."""
    bags, rows = tables[f"{kind}bag"]["generator"], tables[f"{kind}gen"]
    of_all: Generators = {}
    for bag in range(first, last):
        begin, end = int(bags[bag]), int(bags[bag + 1])
        if end > len(rows):
            raise IndexError(f"{kind}bag")
        zone = of_all | dict(rows[begin:end].tolist())
        if target in zone:
            yield zone
        elif bag == first:
            of_all = zone


def _zone(
    of_preset: Generators, of_instrument: Generators, sample: tuple[int, ...], compressed: bool
) -> Zone:
    first, last, loop_start, loop_end, rate, key, cents = sample

    def total(generator: int, default: int) -> int:
        return of_instrument.get(generator, default) + of_preset.get(generator, 0)

    def offset(generators: tuple[int, int]) -> int:
        fine, coarse = (of_instrument.get(generator, 0) for generator in generators)
        return 0 if compressed else fine + _COARSE_STEP * coarse

    start = int(np.clip(first + offset(_START), first, last))
    origin = 0 if compressed else start  # loops of compressed samples count from their start
    loop = (loop_start + offset(_LOOP_START) - origin, loop_end + offset(_LOOP_END) - origin)
    looped = of_instrument.get(_LOOPS, 0) in _LOOPED and 0 <= loop[0] < loop[1]
    root = of_instrument.get(_ROOT, -1)
    keys = _common(of_preset, of_instrument, _KEYS)
    fixed = of_instrument.get(_FIXED_KEY, -1)  # the pitch of this key, whatever key is played
    root = root if 0 <= root <= 127 else key
    per_key = total(_PER_KEY, 100) / 100
    tuning = total(_COARSE, 0) + (total(_FINE, 0) + cents) / 100
    if fixed >= 0:
        tuning, per_key = tuning + (fixed - root) * per_key, 0.0
    return Zone(
        keys=keys,
        velocities=_common(of_preset, of_instrument, _VELOCITIES),
        start=start,
        end=int(np.clip(last + offset(_END), start, last)),
        loop=loop if looped else None,
        rate=max(_LOWEST_RATE, rate),
        root=root,
        semitones_per_key=per_key,
        tuning=tuning,
        attenuation_db=_ATTENUATION_SHARE * max(0, total(_ATTENUATION, 0)) / 10,
        envelope=_envelope(total),
    )


def _envelope(total: Callable[[int, int], int]) -> tuple[float, float, float, float, float]:
    """Return the envelope of a zone, given a function from a generator and its default value."""

    def seconds(generator: int) -> float:
        return float(2 ** (np.clip(total(generator, _SHORTEST), _SHORTEST, 8_000) / 1200))

    return (
        seconds(_ATTACK),
        seconds(_HOLD),
        seconds(_DECAY),
        float(np.clip(total(_SUSTAIN, 0) / 10, 0, 100)),
        seconds(_RELEASE),
    )


def _common(of_preset: Generators, of_instrument: Generators, generator: int) -> tuple[int, int]:
    """Return the range of keys or velocities that both zones have."""
    bounds = [zone[generator] & 0xFFFF for zone in (of_preset, of_instrument) if generator in zone]
    low, high = [bound % 256 for bound in bounds], [bound // 256 for bound in bounds]
    return max([0, *low]), min([127, *high])
