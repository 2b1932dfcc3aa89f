"""SoundFont files written by code: each preset is one sample, a sum of harmonics, looped."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

RATE = 16_000
ROOT = 69  # key of every sample: 440 Hz
DRUM_BANK = 128
LOOP_PERIODS = 44
KEYS, VELOCITIES, LOOPS, SAMPLE, INSTRUMENT = 43, 44, 54, 53, 41  # generators

Zone = tuple[int, Mapping[int, int]]  # a sample and its other generators
ALL_OF_GENERAL_MIDI = (*((0, program) for program in range(128)), (DRUM_BANK, 0))


def harmonics(amplitudes: Sequence[float], seconds: float = 0.25) -> np.ndarray:
    """Return a sum of sines at multiples of 440 Hz, in whole periods of it."""
    periods = round(seconds * 440)
    time = np.arange(round(periods * RATE / 440)) / RATE
    phase = 2 * np.pi * 440 * time
    wave = sum(a * np.sin((n + 1) * phase) for n, a in enumerate(amplitudes) if 440 * (n + 1) < 7e3)
    return np.asarray(0.5 * wave / np.abs(wave).max() * 32767, np.int16)


def write_sound_font(
    path: Path,
    waves: Sequence[np.ndarray],
    presets: Mapping[tuple[int, int], Sequence[Zone]],
    version: tuple[int, int] = (2, 1),
) -> Path:
    """Write a SoundFont whose presets (bank, program) have one instrument each, of some zones."""
    smpl, shdr, start = b"", b"", 0
    for number, wave in enumerate(waves):
        loop_end = start + round(LOOP_PERIODS * RATE / 440)  # a whole number: 0.1 s
        end = start + len(wave)
        name = f"wave {number}".encode()
        shdr += struct.pack("<20s5IBbHH", name, start, end, start, loop_end, RATE, ROOT, 0, 0, 1)
        smpl += wave.tobytes() + bytes(2 * 46)  # the specification asks for 46 zeros
        start = end + 46
    shdr += struct.pack("<20s5IBbHH", b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)
    phdr = inst = pbag = pgen = ibag = igen = b""
    num_zones = num_generators = 0
    for number, ((bank, program), zones) in enumerate(presets.items()):
        phdr += struct.pack("<20sHHHIII", b"preset", program, bank, number, 0, 0, 0)
        pbag += struct.pack("<HH", number, 0)
        pgen += struct.pack("<Hh", INSTRUMENT, number)
        inst += struct.pack("<20sH", b"instrument", num_zones)
        for sample, generators in zones:
            ibag += struct.pack("<HH", num_generators, 0)
            for generator, amount in (generators | {SAMPLE: sample}).items():
                igen += struct.pack("<Hh", generator, amount)
                num_generators += 1
            num_zones += 1
    phdr += struct.pack("<20sHHHIII", b"EOP", 0, 0, len(presets), 0, 0, 0)
    pbag += struct.pack("<HH", len(presets), 0)
    inst += struct.pack("<20sH", b"EOI", num_zones)
    ibag += struct.pack("<HH", num_generators, 0)
    empty = struct.pack("<Hh", 0, 0)
    pdta = {"phdr": phdr, "pbag": pbag, "pmod": bytes(10), "pgen": pgen + empty, "inst": inst}
    pdta |= {"ibag": ibag, "imod": bytes(10), "igen": igen + empty, "shdr": shdr}
    lists = _list("INFO", {"ifil": struct.pack("<HH", *version), "INAM": b"tiny"})
    lists += _list("sdta", {"smpl": smpl}) + _list("pdta", pdta)
    path.write_bytes(_chunk("RIFF", b"sfbk" + lists))
    return path


def write_timbres(path: Path, spectra: np.ndarray) -> Path:
    """Write a font of all General MIDI programs, of which each has a spectrum, (P, H), by turns."""
    waves = [harmonics(amplitudes) for amplitudes in spectra]
    presets = {
        (bank, program): [(program % len(waves), {LOOPS: 1})]
        for bank, program in ALL_OF_GENERAL_MIDI
    }
    return write_sound_font(path, waves, presets)


def _chunk(name: str, content: bytes) -> bytes:
    return name.encode() + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _list(name: str, chunks: Mapping[str, bytes]) -> bytes:
    content = b"".join(_chunk(inner, part) for inner, part in chunks.items())
    return _chunk("LIST", name.encode() + content)
