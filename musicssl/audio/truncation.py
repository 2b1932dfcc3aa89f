"""Files whose end is missing: what libsndfile 1.2 tells of them, found by cutting every format.

- FLAC, CAF, ALAC and HTK: reading raises.
- MP3: fewer frames come than the Xing or Info header promises. Without that header (a few
  constant-rate encoders) the promise is an estimate and a cut cannot be seen; libsndfile then
  reads no further than its estimate, which of a variable rate without a header may be too low.
- WAV, W64, RF64, AIFF, AU, VOC, SVX, Ogg Vorbis and Opus: it shortens its promise and says so in
  its log only, which is read here. The log holds 2 kB: tags longer than that can hide the line.
- AVR, IRCAM, MAT, NIST, PAF and PVF: nothing; a cut file looks like a shorter one.
"""

import os
import re
from pathlib import Path

import soundfile

_MP3_SLACK = 3 * 1152  # frames: headers differ in whether they count themselves and the padding
_OGG_PAGE = 65_307  # bytes of the largest
_OGG_LAST = 4  # bit of the sixth byte of a page
_UNKNOWN_LENGTH = 0x7FFF_F000  # bytes; programs that write into a pipe state this or more
_SHORT_CHUNK = re.compile(r"(?:data|SSND|BODY|riff|Data Size)\s*: (\d+) \(should be (\d+)\)")
_NO_END = re.compile(r"Seems to be a truncated file|does not match value from 'ds64'")


def lacks_end(file: soundfile.SoundFile, path: Path, reached: int, wanted: int) -> bool:
    """Whether an open file ends before its headers say.

    Args:
        file: As opened.
        path: Where it lies.
        reached: Frame at which reading came to its end.
        wanted: Frame up to which it was meant to go, at most the promised number.
    """
    if _shortened(file.extra_info):
        return True
    if file.format == "OGG" and not _ends_in_last_page(path):
        return True
    if file.format == "MP3":
        return reached < wanted - _MP3_SLACK and _states_length(path)
    return reached < wanted


def true_length(file: soundfile.SoundFile) -> int:
    """Frames that an open file really holds, without decoding them all; moves its position.

    That is the promised number, but for MP3: where the last promised frame does not come, the last
    that does is searched for by bisection. libmpg123 then reads the headers up to there, no more.
    """
    promised: int = file.frames
    if file.format != "MP3" or promised == 0 or _holds(file, promised - 1):
        return promised
    low, high = 0, promised - 1  # the length lies in this closed interval
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if _holds(file, middle) else (low, middle)
    return low


def _holds(file: soundfile.SoundFile, frame: int) -> bool:
    file.seek(frame)
    return len(file.read(1, dtype="float32", always_2d=True)) == 1


def _shortened(log: str) -> bool:
    """Tell from libsndfile's log whether the file ends before its headers say.

    >>> _shortened("data : 1000 (should be 400)"), _shortened("data : 4294967295 (should be 400)")
    (True, False)
    """
    chunks = ((int(stated), int(there)) for stated, there in _SHORT_CHUNK.findall(log))
    return bool(_NO_END.search(log)) or any(
        there < stated < _UNKNOWN_LENGTH for stated, there in chunks
    )


def _ends_in_last_page(ogg: Path) -> bool:
    """Whether the last page that begins in an Ogg file says that it is the last of its stream."""
    with ogg.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _OGG_PAGE))
        tail = file.read()
    start = tail.rfind(b"OggS")
    if start < 0:
        return True  # behind a page so long there is something else: a tag
    return len(tail) > start + 5 and bool(tail[start + 5] & _OGG_LAST)


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
