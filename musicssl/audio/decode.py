"""Decoding: any file that soundfile reads becomes mono float32 samples at one rate, or is refused.

A file that cannot be trusted never becomes a shorter or silent clip without a word. What libsndfile
1.2 tells of a file whose end is missing, found out by cutting files of every format:

- FLAC, CAF, ALAC and HTK: it raises.
- MP3: fewer frames come than the Xing or Info header promises. Without that header (a few
  constant-rate encoders) the promise is an estimate and a cut cannot be seen.
- WAV, W64, RF64, AIFF, AU, VOC, SVX, Ogg Vorbis and Opus: it shortens its promise and says so in
  its log only, which is read here. The log holds 2 kB: tags longer than that can hide the line.
- AVR, IRCAM, MAT, NIST, PAF and PVF: nothing; a cut file looks like a shorter one.

A FLAC stream that does not state its length (made through a pipe) cannot be read by libsndfile.
"""

import math
import re
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from musicssl.errors import InputError

_NOT_SOUND_BY_SUFFIX = {"raw", "mat4", "mat5"}  # no header to check; or usually other data
_OTHER_SUFFIXES = {"8svx", "aif", "aifc", "iff", "oga", "opus", "snd", "sph"}
AUDIO_SUFFIXES = frozenset(
    f".{name}"
    for name in {name.lower() for name in soundfile.available_formats()} - _NOT_SOUND_BY_SUFFIX
    | _OTHER_SUFFIXES
)
"""Endings, in lower case and with the dot, by which a file is taken for audio."""

_BLOCK = 1 << 18  # frames decoded at a time: bounds the memory that many channels take
_MP3_SLACK = 3 * 1152  # frames: headers differ in whether they count themselves and the padding
_UNKNOWN_LENGTH = 0x7FFF_F000  # bytes; programs that write into a pipe state this or more
_SHORT_CHUNK = re.compile(r"(?:data|SSND|BODY|riff|Data Size)\s*: (\d+) \(should be (\d+)\)")
_NO_END = re.compile(
    r"lacks an end-of-stream bit|Seems to be a truncated file|does not match value from 'ds64'"
)


class UnreadableAudioError(InputError):
    """A file that cannot be used as sound.

    Attributes:
        path: The file.
        cause: What is wrong with it, to be read after its name.
    """

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(path, cause)
        self.path = path
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.path} {self.cause}; replace or remove the file."


def read_audio(
    path: Path, sample_rate: int, max_seconds: float | None = None
) -> NDArray[np.float32]:
    """Decode a file to mono: the mean of its channels, resampled where its rate differs.

    Args:
        path: A file in any format that soundfile reads; its content decides, not its ending.
        sample_rate: Of the result, in Hz. Resampled by soxr at its quality "HQ".
        max_seconds: Decode only so much from the start; damage beyond it may go unseen.

    Returns:
        Samples, (S,); full scale is [-1, 1], which a file of floats may exceed.

    Raises:
        UnreadableAudioError: If the file is missing, empty, not audio, damaged, truncated (see the
            module's text for what can be seen), without samples, or has samples that are NaN or
            infinite.
    """
    _check_file(path)
    try:
        with soundfile.SoundFile(path) as file:
            if file.format == "RAW":  # how libsndfile takes an .au or .snd file without a header
                raise UnreadableAudioError(path, "is not audio: it has no header")
            mono = _decode(file, path, max_seconds)
            rate: int = file.samplerate
    except soundfile.LibsndfileError as error:
        raise UnreadableAudioError(path, _cause(error)) from error
    if not len(mono):
        raise UnreadableAudioError(path, "holds no samples")
    if not np.isfinite(mono).all():
        raise UnreadableAudioError(path, "holds samples that are NaN or infinite")
    if rate == sample_rate:
        return mono
    resampled: NDArray[np.float32] = soxr.resample(mono, rate, sample_rate, quality="HQ")
    return resampled


def _check_file(path: Path) -> None:
    if not path.exists():
        raise UnreadableAudioError(path, "does not exist")
    if not path.is_file():
        raise UnreadableAudioError(path, "is not a file")
    if path.stat().st_size == 0:
        raise UnreadableAudioError(path, "is empty (0 bytes)")


def _cause(error: soundfile.LibsndfileError) -> str:
    if error.prefix:  # it could not even be opened; libsndfile's reason misleads for MP3
        return "is not audio that soundfile can read, or its header is damaged"
    return f"is truncated or damaged (libsndfile: {error.error_string.strip().rstrip('.')})"


def _decode(
    file: soundfile.SoundFile, path: Path, max_seconds: float | None
) -> NDArray[np.float32]:
    """Average the channels of the file, (S,), and compare its length with what it promised."""
    wanted = file.frames
    if max_seconds is not None:
        wanted = min(wanted, math.ceil(max_seconds * file.samplerate))
    blocks: list[NDArray[np.float32]] = []
    count = 0
    while count < wanted:
        block = file.read(min(_BLOCK, wanted - count), dtype="float32", always_2d=True)  # (S, ch)
        if not len(block):
            break
        blocks.append(block.mean(axis=1))
        count += len(block)
    if _shortened(file.extra_info) or _falls_short(file, path, count, wanted):
        raise UnreadableAudioError(path, "is truncated: its end is missing")
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _shortened(log: str) -> bool:
    """Tell from libsndfile's log whether the file ends before its headers say.

    >>> _shortened("data : 1000 (should be 400)"), _shortened("data : 4294967295 (should be 400)")
    (True, False)
    """
    chunks = ((int(stated), int(there)) for stated, there in _SHORT_CHUNK.findall(log))
    return bool(_NO_END.search(log)) or any(
        there < stated < _UNKNOWN_LENGTH for stated, there in chunks
    )


def _falls_short(file: soundfile.SoundFile, path: Path, count: int, wanted: int) -> bool:
    if file.format != "MP3":
        return count < wanted
    return count < wanted - _MP3_SLACK and _states_length(path)


def _states_length(mp3: Path) -> bool:
    """Whether the first frame of an MP3 file is a header that counts the others."""
    with mp3.open("rb") as file:
        head = file.read(10)
        if head.startswith(b"ID3"):  # a tag of any length comes first: its size is 4 x 7 bits
            size = sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
            file.seek(10 + size)
        else:
            file.seek(0)
        first_frame = file.read(1 << 11)
    return any(mark in first_frame for mark in (b"Xing", b"Info", b"VBRI"))
