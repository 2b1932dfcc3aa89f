"""Detection of files whose end is missing.

The behaviour of libsndfile 1.2 was found by truncating a file of every format:

- FLAC, CAF, ALAC and HTK: reading raises.
- MP3: the file has fewer frames than the Xing or Info header states. Without that header (a few
  constant-rate encoders) the number is an estimate and truncation cannot be detected; libsndfile
  then reads no further than the estimate, which may be too low for a variable bit rate.
- WAV, W64, RF64, AIFF, AU, VOC, SVX, Ogg Vorbis and Opus: libsndfile lowers the number of frames
  and says so only in its log, which is read here. The log has 2 kB: longer tags may hide the line.
- AVR, IRCAM, MAT, NIST, PAF and PVF: no sign; a truncated file looks like a shorter one.
"""

import os
import re
from pathlib import Path

import soundfile

_MP3_SLACK = 3 * 1152  # frames: some headers count themselves and the padding, some do not
_OGG_PAGE = 65_307  # bytes of the largest page
_OGG_LAST = 4  # bit of the sixth byte of a page
_UNKNOWN_LENGTH = 0x7FFF_F000  # bytes; programs that write to a pipe state this or more
_SHORT_CHUNK = re.compile(r"(?:data|SSND|BODY|riff|Data Size)\s*: (\d+) \(should be (\d+)\)")
_NO_END = re.compile(r"Seems to be a truncated file|does not match value from 'ds64'")


def lacks_end(file: soundfile.SoundFile, path: Path, reached: int, wanted: int) -> bool:
    """Whether an open file ends before the length in its headers.

    Args:
        file: The open file.
        path: Its path.
        reached: Frame at which reading stopped.
        wanted: Frame up to which reading was requested, at most the stated length.
    """
    if _shortened(file.extra_info):
        return True
    if file.format == "OGG" and not _ends_in_last_page(path):
        return True
    if file.format == "MP3":
        return reached < wanted - _MP3_SLACK and _states_length(path)
    return reached < wanted


def true_length(file: soundfile.SoundFile) -> int:
    """Return the number of frames that an open file contains, without decoding all of them.

    This is the stated number except for MP3: if the last stated frame is missing, the last existing
    one is found by bisection, for which libmpg123 reads only the headers up to it. The position in
    the file changes.
    """
    stated: int = file.frames
    if file.format != "MP3" or stated == 0 or _has_frame(file, stated - 1):
        return stated
    low, high = 0, stated - 1  # the length lies in this closed interval
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if _has_frame(file, middle) else (low, middle)
    return low


def _has_frame(file: soundfile.SoundFile, frame: int) -> bool:
    file.seek(frame)
    return len(file.read(1, dtype="float32", always_2d=True)) == 1


def _shortened(log: str) -> bool:
    """Whether libsndfile's log says that the file ends before the length in its headers.

    >>> _shortened("data : 1000 (should be 400)"), _shortened("data : 4294967295 (should be 400)")
    (True, False)
    """
    chunks = ((int(stated), int(actual)) for stated, actual in _SHORT_CHUNK.findall(log))
    return bool(_NO_END.search(log)) or any(
        actual < stated < _UNKNOWN_LENGTH for stated, actual in chunks
    )


def _ends_in_last_page(ogg: Path) -> bool:
    """Whether the last page that begins in an Ogg file is flagged as the last of its stream."""
    with ogg.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _OGG_PAGE))
        tail = file.read()
    start = tail.rfind(b"OggS")
    if start < 0:
        return True  # longer than any page: the file ends in other data, such as a tag
    return len(tail) > start + 5 and bool(tail[start + 5] & _OGG_LAST)


def _states_length(mp3: Path) -> bool:
    """Whether the first frame of an MP3 file is a header with the number of frames."""
    with mp3.open("rb") as file:
        head = file.read(10)
        if head.startswith(b"ID3"):  # skip the tag, whose size is stored in 4 x 7 bits
            size = sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
            file.seek(10 + size)
        else:
            file.seek(0)
        first_frame = file.read(1 << 11)
    return any(mark in first_frame for mark in (b"Xing", b"Info", b"VBRI"))
