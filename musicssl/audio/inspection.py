"""Whether an audio file can be used, and how long it is: one answer for every reader.

Lists of readable files, whole reads, crops, clip stores and instances all ask `inspect`, so that
they agree about a file's length, or refuse it with the same cause. Only damage inside of a file
that shows in no header and no checksum is found later, by decoding it.

What libsndfile 1.2 does not do itself, found by damaging files of every format:

- MP3: see `musicssl.audio.mp3_inspection`.
- FLAC written to a pipe does not state its length: it is decoded once to count.
- Ogg: libsndfile reads the first of several streams, and skips damaged pages.
- WAV, W64, RF64, AIFF, AU, VOC, SVX: libsndfile lowers the number of frames of a truncated file and
  says so only in its log, which is read here. Its log has 2 kB, so that chunks of WAV and AIFF are
  read here too.
- All others but AVR, IRCAM, MAT, PAF and PVF: the last frame cannot be decoded. Truncation of these
  five cannot be detected.
"""

import mmap
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import soundfile

from musicssl.audio.av_reader import AV_SUFFIXES, INSTALL, AvFile, has_av
from musicssl.audio.chunks import (
    Samples,
    caf_fault,
    find_samples,
    is_followed_by_another,
    samples_fault,
    stated_bytes,
)
from musicssl.audio.flac_frames import flac_fault, read_stream_info
from musicssl.audio.full_scale import peak_of
from musicssl.audio.mp3_inspection import begins_as_mp3, inspect_mp3, mp3_stream
from musicssl.audio.ogg_pages import ogg_fault
from musicssl.audio.source import (
    AudioHeader,
    SequentialFile,
    can_read,
    check_not_empty,
    check_rate,
    count_by_decoding,
    open_source,
    read_errors,
)
from musicssl.audio.unreadable import (
    SEVERAL_STREAMS,
    TRUNCATED,
    UnreadableAudioError,
)

_AU_HEADER = 24  # bytes
_NOT_SOUND_BY_SUFFIX = {"raw", "mat4", "mat5"}  # no header to check, or usually other data
_OTHER_SUFFIXES = {"8svx", "aif", "aifc", "iff", "mp2", "oga", "opus", "snd", "sph"}
AUDIO_SUFFIXES = frozenset(
    f".{name}"
    for name in {name.lower() for name in soundfile.available_formats()} - _NOT_SOUND_BY_SUFFIX
    | _OTHER_SUFFIXES
)
"""Suffixes of audio files that soundfile reads, in lower case and with the dot."""

_VERSION = 3  # version of the decoder's results; part of the names of caches
_FLOATS = ("FLOAT", "DOUBLE")
_WIDTHS = {"PCM_U8": 1, "PCM_S8": 1, "ULAW": 1, "ALAW": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4}
_WIDTHS |= {"FLOAT": 4, "DOUBLE": 8}  # bytes of a sample
_MOST_FRAMES = 1 << 48
_CACHED = 1 << 17  # files
_UNKNOWN_LENGTH = 0x7FFF_F000  # bytes; programs that write to a pipe state this or more
_SHORT_CHUNK = re.compile(r"(?:data|SSND|BODY|riff|Data Size)\s*: (\d+) \(should be (\d+)\)")
_NO_END = re.compile(r"Seems to be a truncated file|does not match value from 'ds64'")
_SAMPLE_COUNT = re.compile(rb"sample_count -i (\d+)")
_LFS_POINTER = b"version https://git-lfs"
_NO_FRAMES = "is MP3 of free format, or damaged: its frames do not state their size"


def readable_suffixes() -> frozenset[str]:
    """Return the suffixes of audio files that can be read with what is installed."""
    return AUDIO_SUFFIXES | AV_SUFFIXES if has_av() else AUDIO_SUFFIXES


def decoding(paths: Sequence[str]) -> str:
    """Return the version of the decoder for some files, a part of the names of caches."""
    needs_av = any(Path(path).suffix.lower() in AV_SUFFIXES for path in paths)
    return f"{_VERSION}{' with av' if needs_av and has_av() else ''}"


def inspect(path: Path) -> AudioHeader:
    """Return the length of an audio file and how to read it.

    Headers, frame headers and checksums are read, and the last frame is decoded. Files of floats
    are read whole, and those that state no length are decoded once. The answer is kept until the
    size or the modification time of the file changes.

    Raises:
        UnreadableAudioError: If the file is missing, empty, not audio, a git-LFS pointer,
            truncated or damaged as far as that can be seen, without samples, of an impossible
            rate, made of several streams, or of floats of which most are beyond full scale.
    """
    if not path.exists():
        raise UnreadableAudioError(path, "does not exist")
    if not path.is_file():
        raise UnreadableAudioError(path, "is not a file")
    stat = path.stat()
    if stat.st_size == 0:
        raise UnreadableAudioError(path, "is empty (0 bytes)")
    return _inspect(path, stat.st_size, stat.st_mtime_ns)


@contextmanager
def opened(path: Path) -> Iterator[tuple[AudioHeader, soundfile.SoundFile | AvFile]]:
    """Inspect a file and open it for reading, at its start.

    Raises:
        UnreadableAudioError: See `inspect`; also for errors of libsndfile while it is open.
    """
    header = inspect(path)
    with read_errors(path), open_source(path, header) as file:
        yield header, file


@lru_cache(maxsize=_CACHED)
def _inspect(path: Path, size: int, _: int) -> AudioHeader:
    with read_errors(path):
        if path.suffix.lower() in AV_SUFFIXES:
            return _inspect_av(path)
        samples = _samples_in(path)
        if samples is not None and (fault := samples_fault(samples, size)):
            raise UnreadableAudioError(path, fault)
        if samples is not None and samples.is_mp3:
            stream = mp3_stream(path, samples.begin, samples.end)
            if stream is None:
                raise UnreadableAudioError(path, _NO_FRAMES)
            return inspect_mp3(path, stream)
        stream = mp3_stream(path, 0, size) if begins_as_mp3(path) else None
        if stream is not None:
            return inspect_mp3(path, stream)
        with path.open("rb", 0) as raw, SequentialFile(raw.fileno(), closefd=False) as opened_file:
            if opened_file.format == "MP3":  # of free format
                raise UnreadableAudioError(path, _NO_FRAMES)
            return _inspect_open(path, opened_file)


def _samples_in(path: Path) -> Samples | None:
    """Return where the samples of a WAV or AIFF file are; None for other files."""
    with path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            cause = "is a git-LFS pointer, not the data itself: run git lfs pull"
            raise UnreadableAudioError(path, cause)
        if is_followed_by_another(file):
            raise UnreadableAudioError(path, SEVERAL_STREAMS)
        return find_samples(file)


def _inspect_av(path: Path) -> AudioHeader:
    if not has_av():
        raise UnreadableAudioError(path, f"needs the package av: {INSTALL}")
    with AvFile(path) as file:
        check_rate(path, file.samplerate)
        frames = count_by_decoding(file)
        if file.is_cut(frames):
            raise UnreadableAudioError(path, TRUNCATED)
        header = AudioHeader(file.samplerate, file.channels, frames, in_order=True)
        return check_not_empty(path, header)


def _inspect_open(path: Path, file: soundfile.SoundFile) -> AudioHeader:
    """Inspect a file that is no MP3 and that libsndfile has opened."""
    if fault := _fault(path, file):
        raise UnreadableAudioError(path, fault)
    check_rate(path, file.samplerate)
    header = AudioHeader(
        rate=file.samplerate,
        channels=file.channels,
        frames=_stated_frames(path, file),
        in_order=_seeks_go_elsewhere(path, file),
    )
    if file.frames > _MOST_FRAMES:  # the length is not stated
        header = replace(header, frames=count_by_decoding(file), in_order=True)
    elif file.subtype in _FLOATS:
        header = replace(header, peak=peak_of(path, file))
    elif header.frames and file.format != "OGG" and not can_read(file, header.frames - 1):
        raise UnreadableAudioError(path, TRUNCATED)  # pages of Ogg have been checked
    return check_not_empty(path, header)


def _seeks_go_elsewhere(path: Path, file: soundfile.SoundFile) -> bool:
    """Whether a seek finds other samples than reading does, in a damaged ALAC, or in AU.

    If an AU file states that its samples begin within its header, libsndfile reads them from behind
    the header, but seeks to the stated position.
    """
    if file.format != "AU":
        return bool(file.subtype.startswith("ALAC"))
    with path.open("rb") as raw:
        head = raw.read(_AU_HEADER)
    order: Literal["big", "little"] = "big" if head.startswith(b".snd") else "little"
    return int.from_bytes(head[4:8], order) < _AU_HEADER


def _stated_frames(path: Path, file: soundfile.SoundFile) -> int:
    """Return the number of frames that an open file states."""
    frames, width = int(file.frames), _WIDTHS.get(file.subtype)
    if file.format not in ("W64", "VOC") or width is None:
        return frames
    with path.open("rb") as raw:
        size = stated_bytes(raw)
    return frames if size is None else max(0, min(frames, size // (width * file.channels)))


def _fault(path: Path, file: soundfile.SoundFile) -> str | None:
    """Return what is wrong with the length of an open file, if anything."""
    if _shortened(file.extra_info):
        return TRUNCATED
    with path.open("rb") as raw:
        if file.format == "OGG":
            with mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return ogg_fault(data)
        if file.format == "CAF":
            return caf_fault(raw)
        if file.format == "NIST":
            stated = _SAMPLE_COUNT.search(raw.read(1024))
            if stated is not None and int(stated[1]) > file.frames:
                return TRUNCATED
        if file.format == "FLAC" and (info := read_stream_info(raw)):
            with mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return flac_fault(data, info)
    return None


def _shortened(log: str) -> bool:
    """Whether libsndfile's log says that the file ends before the length in its headers.

    >>> _shortened("data : 1000 (should be 400)"), _shortened("data : 4294967295 (should be 400)")
    (True, False)
    """
    chunks = ((int(stated), int(actual)) for stated, actual in _SHORT_CHUNK.findall(log))
    return bool(_NO_END.search(log)) or any(
        actual < stated < _UNKNOWN_LENGTH for stated, actual in chunks
    )
