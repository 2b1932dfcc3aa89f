from dataclasses import replace

import numpy as np
import pytest
import soundfile

from musicssl.audio.mp3_inspection import begins_as_mp3, inspect_mp3, mp3_stream
from musicssl.audio.source import AudioHeader, open_source
from musicssl.audio.unreadable import SEVERAL_STREAMS, TRUNCATED, UnreadableAudioError

RATE = 44_100
HEADER_BYTES = 417  # a frame of 128 kbit/s at 44.1 kHz: 144 * 128,000 / 44,100
DELAY = 576  # samples, of LAME, beyond those that a decoder takes off


@pytest.fixture
def mp3(tmp_path):
    """One second of noise in two channels."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (RATE, 2))
    soundfile.write(tmp_path / "a.mp3", noise, RATE, format="MP3")
    return tmp_path / "a.mp3"


def stream_of(path):
    return mp3_stream(path, 0, path.stat().st_size)


def test_the_length_is_that_of_the_samples_that_were_encoded(mp3):
    header = inspect_mp3(mp3, stream_of(mp3))
    assert header == AudioHeader(RATE, 2, RATE)  # libsndfile reads the file by itself


def test_all_frames_are_read_where_no_header_states_their_number(mp3):
    """Oracle: the same file with its header, in which the delay of the encoder is cut off."""
    expected, _ = soundfile.read(mp3, dtype="float32")
    frames = mp3.read_bytes()[HEADER_BYTES:]
    mp3.write_bytes(frames)
    header = inspect_mp3(mp3, stream_of(mp3))
    with open_source(mp3, header) as file:
        found = file.read(2 * RATE, dtype="float32", always_2d=True)
    assert header.count_first
    assert len(found) == header.frames
    np.testing.assert_array_equal(found[DELAY : DELAY + RATE], expected)


def test_streams_are_recognised_by_their_first_frame_or_their_name(mp3):
    assert begins_as_mp3(mp3)
    for name, content, expected in [
        ("renamed.dat", mp3.read_bytes(), True),
        ("tagged.dat", b"ID3" + bytes(7) + mp3.read_bytes(), True),
        ("noise.mp3", b"none", True),
        ("noise.dat", b"none", False),
    ]:
        (mp3.parent / name).write_bytes(content)
        assert begins_as_mp3(mp3.parent / name) == expected, name


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda s: {"headers": 3}, SEVERAL_STREAMS),
        (lambda s: {"channels_change": True}, "changes the number of its channels on the way"),
        (lambda s: {"stated": s.count + 4, "is_stream_start": True}, TRUNCATED),
        (lambda s: {"stated": s.count - 9}, "frames where its header"),
        (lambda s: {"stated": None, "gap": round(1.6 * s.mean_size)}, "bytes between its frames"),
    ],
)
def test_frames_that_do_not_fit_together_are_refused(mp3, change, cause):
    stream = stream_of(mp3)
    with pytest.raises(UnreadableAudioError, match=cause):
        inspect_mp3(mp3, replace(stream, **change(stream)))
