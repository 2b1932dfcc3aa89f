"""Files that libsndfile alone would read wrongly; FFmpeg is the oracle where it is installed."""

import shutil
import struct
import subprocess

import numpy as np
import pytest
import soundfile

from musicssl.audio.av_reader import AV_SUFFIXES, has_av
from musicssl.audio.decode import count_samples, read_audio, read_stretch, resampled_length
from musicssl.audio.file_stores import file_store
from musicssl.audio.inspection import inspect
from musicssl.audio.instances import instance_store
from musicssl.audio.log_mel import LogMel
from musicssl.audio.sound_files import sound_files
from musicssl.audio.unreadable import UnreadableAudioError

RATE = 44_100
FRAME = 1152  # samples of an MP3 frame
FEATURES = LogMel(sample_rate=8_000, n_fft=512, instance_seconds=0.5)

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
needs_av = pytest.mark.skipif(not has_av(), reason="the package av is not installed")


@pytest.fixture
def wav(tmp_path):
    """Three seconds of noise in two channels, loud at first."""
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (3 * RATE, 2))
    samples[RATE:] *= 1e-3
    soundfile.write(tmp_path / "source.wav", samples, RATE)
    return tmp_path / "source.wav"


def encoded(wav, name, *options):
    path = wav.parent / name
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(wav), *options, str(path)], check=True)
    return path


def by_ffmpeg(path):
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "f32le", "-"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(data, np.float32).reshape(-1, 2).mean(axis=1)


def cause_of(read):
    with pytest.raises(UnreadableAudioError) as caught:
        read()
    return caught.value.cause


def assert_refused(path, part):
    """Check that every reader refuses a file, with one cause."""
    root, name, cache = path.parent, path.name, path.parent / "cache"
    causes = {
        cause_of(lambda: inspect(path)),
        cause_of(lambda: count_samples(path, 8_000)),
        cause_of(lambda: read_audio(path, 8_000)),
        cause_of(lambda: read_stretch(path, 8_000, 10, 100)),
    }
    soundfile.write(root / "good.wav", np.zeros(8_000), 8_000)
    names = [name, "good.wav"]
    causes |= {
        sound_files(root, names, 8_000, cache, 1).unreadable[name],
        file_store(root, names, 8_000, cache, "c", 1).unreadable[name],
        instance_store(root, names, FEATURES, cache, "c", num_workers=1).unreadable[name],
    }
    (cause,) = causes
    assert part in cause


def assert_read(path, expected, slack=0):
    """Check that every reader reads a file, and that it has the expected length."""
    length = count_samples(path, RATE)
    whole = read_audio(path, RATE)
    assert length == len(whole) == inspect(path).frames
    assert abs(length - expected) <= slack
    for start in (0, 1_000, length // 2, length - 700):
        stretch = read_stretch(path, RATE, start, 1_000)
        assert len(stretch) == min(1_000, length - start)
        np.testing.assert_allclose(stretch, whole[start : start + 1_000], atol=1e-4)
    cache = path.parent / "cache"
    assert sound_files(path.parent, [path.name], RATE, cache, 1).lengths[0] == length
    assert file_store(path.parent, [path.name], RATE, cache, "c", 1).lengths[0] == length
    return whole


@needs_ffmpeg
def test_a_flac_that_does_not_state_its_length_is_read_whole(wav):
    whole = encoded(wav, "whole.flac")
    piped = wav.parent / "piped.flac"
    command = ["ffmpeg", "-v", "error", "-i", str(wav), "-f", "flac", "-"]
    piped.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    assert soundfile.info(piped).frames > 2**62  # "unknown"
    np.testing.assert_array_equal(assert_read(piped, 3 * RATE), read_audio(whole, RATE))


def test_a_flac_whose_header_states_no_length_is_read_whole(wav):
    samples, _ = soundfile.read(wav)
    path = wav.with_name("a.flac")
    soundfile.write(path, samples, RATE)
    expected = read_audio(path, RATE)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the number of samples has 36 bits
    content[22:26] = bytes(4)
    path.write_bytes(content)
    np.testing.assert_array_equal(assert_read(path, 3 * RATE), expected)


@pytest.mark.parametrize("stated", [1 * RATE, 3 * RATE - 1000, 3 * RATE + 1, 2**36 - 1])
def test_a_flac_whose_header_states_another_length_is_refused(wav, stated):
    samples, _ = soundfile.read(wav)
    path = wav.with_name("a.flac")
    soundfile.write(path, samples, RATE)
    content = bytearray(path.read_bytes())
    content[21] = content[21] & 0xF0 | stated >> 32
    content[22:26] = (stated & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(content)
    assert_refused(path, "holds more than" if stated < 3 * RATE else "is truncated")


def test_a_flac_whose_header_states_another_rate_than_its_frames_is_refused(wav):
    samples, _ = soundfile.read(wav)
    path = wav.with_name("a.flac")
    soundfile.write(path, samples, RATE)
    content = bytearray(path.read_bytes())
    content[18] ^= 0x04
    path.write_bytes(content)
    assert_refused(path, f"its frames {RATE}")


def test_a_truncated_flac_is_refused_by_its_header_scan_too(wav):
    samples, _ = soundfile.read(wav)
    path = wav.with_name("a.flac")
    soundfile.write(path, samples, RATE)
    path.write_bytes(path.read_bytes()[:-5_000])
    assert_refused(path, "is truncated: its end is missing")


@needs_ffmpeg
@pytest.mark.parametrize("options", [["-q:a", "2"], ["-b:a", "128k"]])
def test_an_mp3_without_a_count_of_its_frames_is_read_whole(wav, options):
    path = encoded(wav, "a.mp3", *options, "-write_xing", "0")
    if "-q:a" in options:
        assert soundfile.info(path).frames < 2 * RATE  # an estimate from the first frame
    samples, expected = assert_read(path, len(by_ffmpeg(path)), FRAME), by_ffmpeg(path)
    trimmed = len(expected) - len(samples)  # the delay of the decoder
    np.testing.assert_allclose(samples[5_000:], expected[trimmed + 5_000 :], atol=1e-4)


@needs_ffmpeg
@pytest.mark.parametrize("behind", [bytes(100_000), np.random.default_rng(0).bytes(100_000)])
def test_data_behind_the_last_frame_of_an_mp3_is_passed_over(wav, behind, capfd):
    path = encoded(wav, "a.mp3")
    expected = read_audio(path, RATE)
    path.write_bytes(path.read_bytes() + behind)
    np.testing.assert_array_equal(assert_read(path, 3 * RATE), expected)
    assert "mpg123" not in capfd.readouterr().err


@needs_ffmpeg
def test_an_mp3_inside_of_a_wav_is_read_whole(wav):
    path = encoded(wav, "in.wav", "-c:a", "libmp3lame")
    assert_read(path, len(by_ffmpeg(path)), FRAME)


@needs_ffmpeg
def test_mpeg_layer_2_is_read_whole(wav):
    path = encoded(wav, "a.mp2")
    assert_read(path, len(by_ffmpeg(path)), FRAME)


@needs_ffmpeg
@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.opus", "a.flac", "a.wav", "a.aiff", "a.au"])
def test_streams_one_after_the_other_are_refused(wav, name):
    path = encoded(wav, name)
    path.write_bytes(path.read_bytes() * 2)
    assert_refused(path, "holds several streams one after the other")


def test_a_page_of_ogg_that_does_not_match_its_checksum_is_refused(wav):
    samples, _ = soundfile.read(wav)
    path = wav.with_name("a.ogg")
    soundfile.write(path, samples, RATE)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert_refused(path, "does not match its checksum")


def pcm_header(channels, rate, size):
    """Return the header of a WAV file of 16 bits."""
    form = struct.pack("<HHIIHH", 1, channels, rate, 0, (2 * channels) & 0xFFFF, 16)
    sizes = struct.pack("<I", (36 + size) & 0xFFFFFFFF), struct.pack("<I", size & 0xFFFFFFFF)
    return b"RIFF" + sizes[0] + b"WAVEfmt \x10\0\0\0" + form + b"data" + sizes[1]


@pytest.mark.parametrize("stated", [4 * 1_100_000_000, 0xFFFFFFFF])
def test_a_wav_of_more_than_4_gib_whose_size_is_not_stated_is_refused(tmp_path, stated):
    path, size = tmp_path / "a.wav", 4 * 1_100_000_000
    with path.open("wb") as file:
        file.write(pcm_header(2, RATE, stated))
        file.truncate(44 + size)  # a sparse file
    assert soundfile.info(path).frames < size // 4
    for read in (inspect, lambda path: read_audio(path, 8_000)):
        assert "is larger than its header says" in cause_of(lambda read=read: read(path))


@pytest.mark.parametrize(
    ("channels", "rate", "cause"),
    [
        (1, 1, "states a sample rate of 1 Hz"),
        (1, 0, "states an impossible sample rate"),
        (1, 2**31, "states an impossible sample rate"),
        (65_535, RATE, "states an impossible number of channels"),
    ],
)
def test_impossible_headers_are_refused_before_memory_is_taken(tmp_path, channels, rate, cause):
    path = tmp_path / "a.wav"
    path.write_bytes(pcm_header(channels, rate, 400_000) + bytes(400_000))
    assert_refused(path, cause)


@pytest.mark.parametrize("order", ["big", "little"])
def test_an_au_whose_samples_begin_within_its_header_is_read_alike_everywhere(tmp_path, order):
    """libsndfile reads from behind the header, and seeks from the place that is stated."""
    path, samples = tmp_path / "a.au", np.arange(400, dtype=np.int16) * 50
    soundfile.write(path, samples, 8_000, endian=order.upper())
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(4) + content[8:])
    whole = read_audio(path, 8_000)
    np.testing.assert_allclose(whole, samples / 2**15, atol=1e-4)
    np.testing.assert_array_equal(read_stretch(path, 8_000, 100, 200), whole[100:300])


def test_a_wav_that_ends_in_its_first_chunk_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(pcm_header(1, 8_000, 0)[:23])
    assert_refused(path, "header is damaged")


def test_a_long_tag_does_not_hide_that_a_wav_is_truncated(tmp_path):
    """The log of libsndfile, which says that the end is missing, has 2 kB."""
    tags = b"".join(b"IART" + struct.pack("<I", 200) + b"x" * 200 for _ in range(40))
    chunk = b"LIST" + struct.pack("<I", 4 + len(tags)) + b"INFO" + tags
    header = pcm_header(1, RATE, 100_000)
    (tmp_path / "a.wav").write_bytes(header[:-8] + chunk + header[-8:] + bytes(50_000))
    assert_refused(tmp_path / "a.wav", "is truncated")


def test_floats_in_the_scale_of_integers_are_refused(tmp_path):
    path = tmp_path / "a.wav"
    samples = np.random.default_rng(0).normal(0, 5_000, RATE).astype(np.float32)
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    assert_refused(path, "most of them beyond full scale, which is 1; divide them by 32768")


def test_length_after_resampling_is_rounded_half_up(tmp_path):
    cases = (2_000, 24_000, 22_050), (40, 8_000, 22_050), (1, 16_000, 8_000)
    for frames, rate, sample_rate in cases:
        path = tmp_path / f"{frames}.wav"
        soundfile.write(path, np.zeros(frames), rate)
        expected = int(np.floor(frames * sample_rate / rate + 0.5))  # exact halves are exact here
        assert resampled_length(frames, rate, sample_rate) == expected
        assert len(read_audio(path, sample_rate)) == count_samples(path, sample_rate) == expected
        assert len(read_stretch(path, sample_rate, 0, 10_000)) == expected


def test_a_file_is_read_whatever_the_bytes_of_its_name(wav):
    path = wav.rename(wav.with_name("caf\udce9.wav"))
    assert_read(path, 3 * RATE)
    path.write_bytes(b"no sound")
    with pytest.raises(UnreadableAudioError, match=r"caf\\xe9\.wav is not audio"):
        read_audio(path, RATE)


def test_the_answer_about_a_file_is_kept_until_the_file_changes(wav):
    assert inspect(wav) is inspect(wav)
    wav.write_bytes(wav.read_bytes()[:-4])
    assert_refused(wav, "is truncated")


@pytest.mark.skipif(has_av(), reason="the package av is installed")
def test_without_av_the_files_that_need_it_say_so(tmp_path):
    (tmp_path / "a.m4a").write_bytes(bytes(100))
    assert_refused(tmp_path / "a.m4a", "needs the package av: pip install 'musicssl[av]'")


@needs_ffmpeg
@needs_av
@pytest.mark.parametrize("suffix", [".m4a", ".aac", ".wma", ".webm", ".wv", ".ac3", ".mp4", ".tta"])
def test_files_that_need_av_are_read_as_ffmpeg_reads_them(wav, suffix):
    assert suffix in AV_SUFFIXES
    path = encoded(wav, f"a{suffix}", *(["-c:a", "libvorbis"] if suffix == ".webm" else []))
    expected = by_ffmpeg(path)
    samples = assert_read(path, len(expected))
    np.testing.assert_allclose(samples, expected, atol=1e-3)


@needs_ffmpeg
@needs_av
@pytest.mark.parametrize("suffix", [".m4a", ".wma", ".wv"])
def test_truncated_files_that_need_av_are_refused(wav, suffix):
    path = encoded(wav, f"a{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert_refused(path, "FFmpeg" if suffix == ".m4a" else "is truncated")
