"""Whether an audio file can be used, and how long it is: one answer for every reader.

Lists of readable files, whole reads, crops, clip stores and instances all ask `inspect`, so that
they agree about a file's length, or refuse it with the same cause. Only damage inside of a file
that shows in no header and no checksum is found later, by decoding it.

What libsndfile 1.2 does not do itself, found by damaging files of every format:

- MP3: without a header that counts the frames (Xing, Info, VBRI) libsndfile guesses the length; a
  second stream in the file, data behind the last frame and MP3 inside of WAV are read wrongly. So
  frames are counted here, and where it helps, libsndfile is given the frames alone.
- FLAC written to a pipe does not state its length: it is decoded once to count.
- Ogg: libsndfile reads the first of several streams, and skips damaged pages.
- WAV, W64, RF64, AIFF, AU, VOC, SVX: libsndfile lowers the number of frames of a truncated file and
  says so only in its log, which is read here. Its log has 2 kB, so that chunks of WAV and AIFF are
  read here too.
- All others but AVR, IRCAM, MAT, PAF and PVF: the last frame cannot be decoded. Truncation of these
  five cannot be detected.
"""

import io
import mmap
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import soundfile

from musicssl.audio.av_reader import AV_SUFFIXES, INSTALL, AvFile, has_av
from musicssl.audio.chunks import (
    caf_fault,
    find_samples,
    is_followed_by_another,
    samples_fault,
    stated_bytes,
)
from musicssl.audio.flac_frames import flac_fault, read_stream_info
from musicssl.audio.full_scale import BLOCK, peak_of
from musicssl.audio.mp3_frames import Mp3Stream, find_frames, is_frame_header
from musicssl.audio.ogg_pages import ogg_fault
from musicssl.audio.unreadable import (
    SEVERAL_STREAMS,
    TRUNCATED,
    UnreadableAudioError,
)
from musicssl.limits import SAMPLE_RATES

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
_IMPOSSIBLE = {24: "sample rate", 33: "number of channels"}  # errors of libsndfile
_MPEG_SUFFIXES = (".mp3", ".mp2")
_MP3_SLACK = 3  # frames: some headers count themselves and the padding, some do not
_CACHED = 1 << 17  # files
_UNKNOWN_LENGTH = 0x7FFF_F000  # bytes; programs that write to a pipe state this or more
_SHORT_CHUNK = re.compile(r"(?:data|SSND|BODY|riff|Data Size)\s*: (\d+) \(should be (\d+)\)")
_NO_END = re.compile(r"Seems to be a truncated file|does not match value from 'ds64'")
_SAMPLE_COUNT = re.compile(rb"sample_count -i (\d+)")
_LFS_POINTER = b"version https://git-lfs"
_NO_FRAMES = "is MP3 of free format, or damaged: its frames do not state their size"


@dataclass(frozen=True)
class AudioHeader:
    """An audio file that can be used.

    Attributes:
        rate: Sample rate, in Hz.
        channels: Number of channels.
        frames: Number of samples of each channel, exactly, at least 1.
        peak: Largest magnitude of the samples, for files of floats; else 0. Full scale is 1.
        in_order: Whether decoding has to begin at the start of the file.
        stream: The frames to read, if it is an MP3 file that libsndfile would not read right.
        count_first: Whether a frame with the number of frames has to be put before them.
    """

    rate: int
    channels: int
    frames: int
    peak: float = 0.0
    in_order: bool = False
    stream: Mp3Stream | None = None
    count_first: bool = False


class _SequentialFile(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read sequentially; soundfile itself seeks after every read.

    In MP3, a seek loses the data that later frames take from earlier ones (the bit reservoir), so
    some frames after each block would be wrong. For Ogg Vorbis see `musicssl.audio.decode`.
    """

    def seekable(self) -> bool:
        """Return False, so that soundfile does not seek."""
        return False


def readable_suffixes() -> frozenset[str]:
    """Return the suffixes of audio files that can be read with what is installed."""
    return AUDIO_SUFFIXES | AV_SUFFIXES if has_av() else AUDIO_SUFFIXES


def decoding(paths: Sequence[str]) -> str:
    """Return a name for what the decoder makes of some files, part of the names of caches."""
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
    with _read_errors(path), _source(path, header) as source:
        yield header, source


@lru_cache(maxsize=_CACHED)
def _inspect(path: Path, size: int, _: int) -> AudioHeader:
    with _read_errors(path):
        if path.suffix.lower() in AV_SUFFIXES:
            return _inspect_av(path)
        with path.open("rb") as file:
            if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
                cause = "is a git-LFS pointer, not the data itself: run git lfs pull"
                raise UnreadableAudioError(path, cause)
            if is_followed_by_another(file):
                raise UnreadableAudioError(path, SEVERAL_STREAMS)
            samples = find_samples(file)
        if samples is not None:
            if fault := samples_fault(samples, size):
                raise UnreadableAudioError(path, fault)
            if samples.is_mp3:
                stream = _mp3_stream(path, samples.begin, samples.end)
                if stream is None:
                    raise UnreadableAudioError(path, _NO_FRAMES)
                return _inspect_mp3(path, stream)
        stream = _mp3_stream(path, 0, size) if _begins_as_mp3(path) else None
        if stream is not None:
            return _inspect_mp3(path, stream)
        with path.open("rb", 0) as raw, _SequentialFile(raw.fileno(), closefd=False) as opened_file:
            if opened_file.format == "MP3":  # of free format
                raise UnreadableAudioError(path, _NO_FRAMES)
            return _inspect_open(path, opened_file)


def _inspect_av(path: Path) -> AudioHeader:
    if not has_av():
        raise UnreadableAudioError(path, f"needs the package av: {INSTALL}")
    with AvFile(path) as file:
        _check_rate(path, file.samplerate)
        frames = _count_by_decoding(file)
        if file.is_cut(frames):
            raise UnreadableAudioError(path, TRUNCATED)
        header = AudioHeader(file.samplerate, file.channels, frames, in_order=True)
        return _not_empty(path, header)


def _begins_as_mp3(path: Path) -> bool:
    """Whether a file may be an MPEG audio stream; a tag may also precede FLAC."""
    with path.open("rb") as file:
        head = file.read(4)
        if head[:3] == b"ID3":
            return read_stream_info(file) is None
    return is_frame_header(head) or path.suffix.lower() in _MPEG_SUFFIXES


def _mp3_stream(path: Path, begin: int, end: int) -> Mp3Stream | None:
    with path.open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return find_frames(data, begin, end)


def _inspect_mp3(path: Path, stream: Mp3Stream) -> AudioHeader:
    if fault := _mp3_fault(stream):
        raise UnreadableAudioError(path, fault)
    counted = stream.count * stream.samples_per_frame
    header = AudioHeader(0, 0, 0, stream=None if stream.plain else stream)
    with _source(path, header) as file:
        short = stream.stated is None and file.frames < counted  # the estimate of libsndfile
    if short and stream.layer != 3:
        cause = "has a variable bit rate and no header that counts its frames; encode it again"
        raise UnreadableAudioError(path, cause)
    if short:
        header = replace(header, stream=stream, count_first=True)
    with _source(path, header) as file:
        _check_rate(path, file.samplerate)
        guessed = stream.stated is None and not short
        frames = counted if guessed else file.frames
        header = replace(header, rate=file.samplerate, channels=file.channels, frames=frames)
        if frames and _can_read(file, frames - 1):
            return header
    with _source(path, header) as file:  # a few frames fewer than stated
        frames = _count_by_decoding(file)
    if abs(frames - counted) > (_MP3_SLACK + 1) * stream.samples_per_frame:
        cause = f"is damaged: only {frames} of its {counted} samples can be decoded"
        raise UnreadableAudioError(path, cause)
    return _not_empty(path, replace(header, frames=frames))


def _mp3_fault(stream: Mp3Stream) -> str | None:
    if stream.headers > stream.is_stream_start:
        return SEVERAL_STREAMS
    if stream.channels_change:
        return "changes the number of its channels on the way"
    audio = stream.count - stream.is_stream_start
    if stream.stated is not None:
        if stream.stated > audio + _MP3_SLACK:
            return TRUNCATED
        if stream.stated < audio - 1:
            return (
                f"holds {audio} frames where its header states {stream.stated}: several streams "
                "one after the other, or a damaged header; encode it again"
            )
    elif stream.gap > 1.5 * stream.mean_size:  # more than one frame is lost
        return f"is damaged: {stream.gap} bytes between its frames are no audio"
    return None


def _inspect_open(path: Path, file: soundfile.SoundFile) -> AudioHeader:
    """Inspect a file that is no MP3 and that libsndfile has opened."""
    if fault := _fault(path, file):
        raise UnreadableAudioError(path, fault)
    _check_rate(path, file.samplerate)
    header = AudioHeader(
        rate=file.samplerate,
        channels=file.channels,
        frames=_stated_frames(path, file),
        in_order=_seeks_go_elsewhere(path, file),
    )
    if file.frames > _MOST_FRAMES:  # the length is not stated
        header = replace(header, frames=_count_by_decoding(file), in_order=True)
    elif file.subtype in _FLOATS:
        header = replace(header, peak=peak_of(path, file))
    elif header.frames and file.format != "OGG" and not _can_read(file, header.frames - 1):
        raise UnreadableAudioError(path, TRUNCATED)  # pages of Ogg have been checked
    return _not_empty(path, header)


def _seeks_go_elsewhere(path: Path, file: soundfile.SoundFile) -> bool:
    """Whether a seek finds other samples than reading does, in a damaged ALAC, or in AU.

    An AU file whose samples begin within its header, as it says, is read from behind the header,
    but sought in from the place that it says.
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


def _can_read(file: soundfile.SoundFile, frame: int) -> bool:
    try:
        file.seek(frame)
        return len(file.read(1, dtype="float32", always_2d=True)) == 1
    except soundfile.LibsndfileError:
        return False


def _count_by_decoding(file: soundfile.SoundFile | AvFile) -> int:
    count, size = 0, max(1, BLOCK // max(1, file.channels))
    while length := len(file.read(size, dtype="float32", always_2d=True)):
        count += length
    return count


def _check_rate(path: Path, rate: int) -> None:
    lowest, highest = SAMPLE_RATES
    if not lowest <= rate <= highest:
        cause = f"states a sample rate of {rate} Hz, which is not from {lowest} to {highest}"
        raise UnreadableAudioError(path, cause)


def _not_empty(path: Path, header: AudioHeader) -> AudioHeader:
    if header.frames <= 0:
        raise UnreadableAudioError(path, "holds no samples")
    return header


@contextmanager
def _source(path: Path, header: AudioHeader) -> Iterator[Any]:
    """Open a file for decoding, by a descriptor: its name may be of any bytes."""
    if path.suffix.lower() in AV_SUFFIXES:
        with AvFile(path) as decoder:
            yield decoder
    elif header.stream is not None:
        with _SequentialFile(io.BytesIO(_frames_alone(path, header))) as file:
            yield file
    else:
        with path.open("rb", 0) as raw, _SequentialFile(raw.fileno(), closefd=False) as file:
            yield file


def _frames_alone(path: Path, header: AudioHeader) -> bytes:
    """Return the frames of an MP3 stream without what lies before, between and behind them."""
    assert header.stream is not None
    parts = [header.stream.header_with_length()] if header.count_first else []
    with path.open("rb") as file:
        for begin, end in header.stream.segments:
            file.seek(begin)
            parts.append(file.read(end - begin))
    return b"".join(parts)


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise UnreadableAudioError(path, _cause(error)) from error
    except OSError as error:
        raise UnreadableAudioError(path, f"cannot be read ({error.strerror})") from error


def _cause(error: soundfile.LibsndfileError) -> str:
    if not error.prefix:  # the file could be opened
        return f"is truncated or damaged (libsndfile: {error.error_string.strip().rstrip('.')})"
    if error.code in _IMPOSSIBLE:
        return f"states an impossible {_IMPOSSIBLE[error.code]}"
    return "is not audio that soundfile can read, or its header is damaged"


def _shortened(log: str) -> bool:
    """Whether libsndfile's log says that the file ends before the length in its headers.

    >>> _shortened("data : 1000 (should be 400)"), _shortened("data : 4294967295 (should be 400)")
    (True, False)
    """
    chunks = ((int(stated), int(actual)) for stated, actual in _SHORT_CHUNK.findall(log))
    return bool(_NO_END.search(log)) or any(
        actual < stated < _UNKNOWN_LENGTH for stated, actual in chunks
    )
