"""Whether an MP3 stream can be used, and how long it is.

Without a header that counts the frames (Xing, Info, VBRI) libsndfile guesses the length, and it
reads a second stream in the file, data behind the last frame and MP3 inside of WAV wrongly. So
frames are counted here, and where it helps, libsndfile is given the frames alone.
"""

import mmap
from dataclasses import replace
from pathlib import Path

from musicssl.audio.flac_frames import read_stream_info
from musicssl.audio.mp3_frames import Mp3Stream, find_frames, is_frame_header
from musicssl.audio.source import (
    AudioHeader,
    can_read,
    check_not_empty,
    check_rate,
    count_by_decoding,
    open_source,
)
from musicssl.audio.unreadable import SEVERAL_STREAMS, TRUNCATED, UnreadableAudioError

_MPEG_SUFFIXES = (".mp3", ".mp2")
_MP3_SLACK = 3  # frames: some headers count themselves and the padding, some do not


def begins_as_mp3(path: Path) -> bool:
    """Whether a file may be an MPEG audio stream; a tag may also precede FLAC."""
    with path.open("rb") as file:
        head = file.read(4)
        if head[:3] == b"ID3":
            return read_stream_info(file) is None
    return is_frame_header(head) or path.suffix.lower() in _MPEG_SUFFIXES


def mp3_stream(path: Path, begin: int, end: int) -> Mp3Stream | None:
    """Return the MPEG frames between two bytes of a file; None if there are none."""
    with path.open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return find_frames(data, begin, end)


def inspect_mp3(path: Path, stream: Mp3Stream) -> AudioHeader:
    """Return the length of an MP3 file and how to read it.

    Args:
        path: The file.
        stream: Its frames.

    Raises:
        UnreadableAudioError: If the file is truncated or damaged, holds several streams or no
            samples, changes its number of channels, or has an impossible rate.
    """
    if fault := _mp3_fault(stream):
        raise UnreadableAudioError(path, fault)
    counted = stream.count * stream.samples_per_frame
    header = AudioHeader(0, 0, 0, stream=None if stream.plain else stream)
    with open_source(path, header) as file:
        short = stream.stated is None and file.frames < counted  # the estimate of libsndfile
    if short and stream.layer != 3:
        cause = "has a variable bit rate and no header that counts its frames; encode it again"
        raise UnreadableAudioError(path, cause)
    if short:
        header = replace(header, stream=stream, count_first=True)
    with open_source(path, header) as file:
        check_rate(path, file.samplerate)
        guessed = stream.stated is None and not short
        frames = counted if guessed else file.frames
        header = replace(header, rate=file.samplerate, channels=file.channels, frames=frames)
        if frames and can_read(file, frames - 1):
            return header
    with open_source(path, header) as file:  # a few frames fewer than stated
        frames = count_by_decoding(file)
    if abs(frames - counted) > (_MP3_SLACK + 1) * stream.samples_per_frame:
        cause = f"is damaged: only {frames} of its {counted} samples can be decoded"
        raise UnreadableAudioError(path, cause)
    return check_not_empty(path, replace(header, frames=frames))


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
