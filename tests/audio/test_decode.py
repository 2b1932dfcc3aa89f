import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicssl.audio.decode import count_samples, read_audio, read_stretch, resample, stream_audio
from musicssl.audio.inspection import AUDIO_SUFFIXES
from musicssl.audio.unreadable import UnreadableAudioError

FREQUENCY, AMPLITUDE = 440.0, 0.25  # Hz, of full scale
FORMATS = {  # ending: (format, coding) of libsndfile
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "aiff": ("AIFF", "PCM_24"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
    "voc": ("VOC", "PCM_16"),
}


def sine(rate, seconds=2.0):
    return AMPLITUDE * np.sin(2 * np.pi * FREQUENCY * np.arange(round(rate * seconds)) / rate)


def write(path, samples, rate):
    form, coding = FORMATS[path.name.split(".")[-1]]
    soundfile.write(path, samples, rate, format=form, subtype=coding)
    return path


def amplitude_and_rest(samples, rate):
    """Fit a sine of the known frequency; return its amplitude and the share of energy left over."""
    phase = 2 * np.pi * FREQUENCY * np.arange(len(samples)) / rate
    basis = np.stack([np.sin(phase), np.cos(phase)], axis=1)
    weights = np.linalg.lstsq(basis, samples, rcond=None)[0]
    rest = samples - basis @ weights
    return np.hypot(*weights), np.mean(rest**2) / np.mean(samples**2)


@pytest.mark.parametrize("rate", [48_000, 24_000, 16_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("ending", FORMATS)
def test_a_sine_survives_every_format_and_rate(tmp_path, ending, channels, rate):
    path = write(tmp_path / f"a.{ending}", np.stack([sine(rate)] * channels, axis=1), rate)
    samples = read_audio(path, 16_000)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(32_000, abs=1)
    amplitude, rest = amplitude_and_rest(samples[1000:-1000], 16_000)
    assert amplitude == pytest.approx(AMPLITUDE, rel=0.02)
    assert rest < 5e-3  # of which a lossy coder takes its part


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 96_000])
def test_resampling_keeps_duration_pitch_and_level(tmp_path, rate):
    samples = read_audio(write(tmp_path / "a.wav", sine(rate, 1.3), rate), 16_000)
    assert len(samples) == pytest.approx(1.3 * 16_000, abs=1)
    amplitude, rest = amplitude_and_rest(samples[1000:-1000], 16_000)
    assert amplitude == pytest.approx(AMPLITUDE, rel=1e-3)
    assert rest < 1e-6


def test_frequencies_above_half_the_new_rate_do_not_alias(tmp_path):
    high = np.sin(2 * np.pi * 10_000 * np.arange(44_100) / 44_100)
    samples = read_audio(write(tmp_path / "a.wav", 0.5 * high, 44_100), 16_000)
    assert np.abs(samples[1000:-1000]).max() < 1e-4


def test_channels_are_averaged_and_equal_rates_are_left_alone(tmp_path):
    channels = np.random.default_rng(0).uniform(-1, 1, (300_000, 5)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", channels, 16_000, subtype="FLOAT")
    samples = read_audio(tmp_path / "a.wav", 16_000)
    np.testing.assert_allclose(samples, channels.astype(np.float64).mean(axis=1), atol=1e-7)


def test_the_format_is_recognised_by_the_content(tmp_path):
    path = write(tmp_path / "a.flac", sine(16_000), 16_000)
    expected = read_audio(path, 16_000)
    np.testing.assert_array_equal(read_audio(path.rename(tmp_path / "a.dat"), 16_000), expected)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_the_start_of_a_file_is_the_start_of_the_whole(tmp_path, ending):
    path = write(tmp_path / f"a.{ending}", sine(16_000, 5.0), 16_000)
    start = read_audio(path, 16_000, max_seconds=1.5)
    assert len(start) == 24_000
    np.testing.assert_array_equal(start, read_audio(path, 16_000)[:24_000])
    assert len(read_audio(path, 16_000, max_seconds=60.0)) == 80_000


@pytest.mark.parametrize("share", [0.9, 0.5])
@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_whose_end_is_missing_is_refused(tmp_path, ending, share):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (96_000, 2))
    path = write(tmp_path / f"whole.{ending}", noise, 48_000)
    read_audio(path, 16_000)
    content = path.read_bytes()
    cut = tmp_path / f"cut.{ending}"
    cut.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UnreadableAudioError, match=r"cut\.\w+ is (truncated|not audio .* damaged)"):
        read_audio(cut, 16_000)


@pytest.mark.parametrize("ending", ["ogg", "opus"])
def test_a_tag_behind_the_end_of_an_ogg_file_is_no_cut(tmp_path, ending):
    path = write(tmp_path / f"a.{ending}", sine(48_000), 48_000)
    expected = read_audio(path, 48_000)
    content = path.read_bytes()
    for size in (125, 70_000):
        path.write_bytes(content + b"TAG" + bytes(size))
        np.testing.assert_array_equal(read_audio(path, 48_000), expected)


def test_an_mp3_behind_a_tag_is_read_and_its_cut_is_seen(tmp_path):
    path = write(tmp_path / "a.mp3", sine(44_100, 4.0), 44_100)
    expected = read_audio(path, 44_100)
    size = 40_000  # bytes of cover art, say
    digits = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    content = b"ID3\x04\x00\x00" + digits + bytes(size) + path.read_bytes()
    tagged = tmp_path / "tagged.mp3"
    tagged.write_bytes(content)
    np.testing.assert_array_equal(read_audio(tagged, 44_100), expected)
    tagged.write_bytes(content[: (size + len(content)) // 2])
    with pytest.raises(UnreadableAudioError, match="is truncated"):
        read_audio(tagged, 44_100)


def noise(rate, seconds, channels=2):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (round(rate * seconds), channels))


@pytest.mark.parametrize("rate", [48_000, 24_000, 16_000, 8_000])
@pytest.mark.parametrize("ending", FORMATS)
def test_a_stretch_is_that_part_of_the_whole(tmp_path, ending, rate):
    path = write(tmp_path / f"a.{ending}", noise(rate, 3.0), rate)
    whole = read_audio(path, 16_000)
    for start in (0, 1, 7_001, 24_000, 40_000, 46_001):  # the last ones in the last Ogg page
        stretch = read_stretch(path, 16_000, start, 4_000)
        np.testing.assert_allclose(stretch, whole[start : start + 4_000], atol=1e-6)


@pytest.mark.parametrize("rate", [48_000, 24_000])
@pytest.mark.parametrize("ending", ["mp3", "ogg", "opus", "flac"])
def test_no_seam_between_blocks_and_none_before_a_stretch(tmp_path, ending, rate):
    """A tone in both channels: MP3 frames are small then, and borrow bits from many before them."""
    path = write(tmp_path / f"a.{ending}", np.stack([sine(rate, 9.0)] * 2, axis=1), rate)
    in_one_go = soundfile.read(path, dtype="float32")[0].mean(axis=1)
    whole = read_audio(path, rate)
    np.testing.assert_allclose(whole, in_one_go, atol=1e-6)
    for start in np.random.default_rng(1).integers(0, 8 * rate, 20):
        stretch = read_stretch(path, rate, int(start), 5_000)
        np.testing.assert_allclose(stretch, whole[start : start + 5_000], atol=1e-6)


@pytest.mark.parametrize("rate", [44_100, 44_099, 22_050, 11_025, 192_000])
def test_a_stretch_of_a_resampled_file_is_in_step_with_the_whole(tmp_path, rate):
    path = write(tmp_path / "a.wav", noise(rate, 4.0, 1), rate)
    whole = read_audio(path, 16_000)
    for start in np.random.default_rng(1).integers(0, 64_000, 20):
        stretch = read_stretch(path, 16_000, int(start), 5_000)
        np.testing.assert_allclose(stretch, whole[start : start + 5_000], atol=1e-6)


def test_a_stretch_decodes_little_more_than_itself(tmp_path):
    path = write(tmp_path / "a.wav", np.zeros((60 * 44_100, 2)), 44_100)
    tracemalloc.start()
    read_stretch(path, 16_000, 400_000, 16_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6  # bytes; one second takes 350 kB, all of it 21 MB


@pytest.mark.parametrize("share", [0.9, 0.5])
@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "opus", "mp3"])
def test_a_stretch_of_a_file_whose_end_is_missing_is_refused(tmp_path, ending, share):
    content = write(tmp_path / f"whole.{ending}", noise(48_000, 4.0), 48_000).read_bytes()
    cut = tmp_path / f"cut.{ending}"
    cut.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UnreadableAudioError, match=r"cut\.\w+ is (truncated|not audio .* damaged)"):
        read_stretch(cut, 16_000, 1_000, 63_000)


@pytest.mark.parametrize("rate", [48_000, 24_000, 16_000, 8_000])
@pytest.mark.parametrize("ending", FORMATS)
def test_samples_are_counted_without_decoding(tmp_path, ending, rate):
    path = write(tmp_path / f"a.{ending}", noise(rate, 1.2345), rate)
    for new_rate in (16_000, 22_050):
        assert count_samples(path, new_rate) == len(read_audio(path, new_rate))


@pytest.mark.parametrize("rate", [44_100, 44_099, 32_000, 16_001, 8_000])
def test_the_length_of_a_resampled_file_is_foreseen(tmp_path, rate):
    for count in (2, 3, 4, 5, 25, 441, 1_001, 4_999, 12_345):
        path = write(tmp_path / "a.wav", np.zeros(count), rate)
        assert count_samples(path, 16_000) == len(read_audio(path, 16_000))


def without_length(path):
    """Take the frame away by which an MP3 file tells how many follow."""
    content = path.read_bytes()
    mark = max(content[:2000].find(name) for name in (b"Xing", b"Info"))
    path.write_bytes(content[content.index(content[:2], mark) :])
    return path


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_frames_of_an_mp3_that_does_not_state_its_length_are_counted(tmp_path, mode):
    samples = noise(44_100, 9.0)
    samples[:-88_200] = 0  # the rate of bits rises: an estimate from the start is too long
    path = tmp_path / "a.mp3"
    soundfile.write(path, samples, 44_100, bitrate_mode=mode, compression_level=0.3)
    promised = soundfile.info(without_length(path)).frames
    assert count_samples(path, 44_100) == len(read_audio(path, 44_100)) < promised


def test_a_cut_mp3_that_states_its_length_is_refused_when_counted(tmp_path):
    content = write(tmp_path / "a.mp3", noise(44_100, 4.0), 44_100).read_bytes()
    (tmp_path / "a.mp3").write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableAudioError, match="is truncated"):
        count_samples(tmp_path / "a.mp3", 16_000)


def test_memory_holds_the_result_however_long_and_wide_the_file(tmp_path):
    path = write(tmp_path / "a.wav", np.zeros((20 * 192_000, 8)), 192_000)
    tracemalloc.start()
    samples = read_audio(path, 8_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(samples) == 160_000  # 640 kB, of a file that is 123 MB decoded
    assert peak < 4e6


@pytest.mark.parametrize("stated", [0xFFFFFFFF, 0x7FFFF000])
def test_a_wav_of_unknown_length_is_read_whole(tmp_path, stated):
    path = write(tmp_path / "a.wav", sine(16_000), 16_000)
    expected = read_audio(path, 16_000)
    content = bytearray(path.read_bytes())
    at = content.find(b"data") + 4
    content[at : at + 4] = struct.pack("<I", stated)  # as ffmpeg and sox write into a pipe
    path.write_bytes(content)
    np.testing.assert_array_equal(read_audio(path, 16_000), expected)


def make_folder(path):
    path.mkdir()


def make_silent_header(path):
    soundfile.write(path, np.zeros(0), 16_000, format="WAV")


def make_pointer(path):
    path.write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:10187867\nsize 135490709\n"
    )


def make_one_sample(path):
    soundfile.write(path, np.ones(1), 48_000, format="WAV")


def make_samples(value):
    def make(path):
        samples = np.zeros((1000, 2), np.float32)
        samples[500, 1] = value
        soundfile.write(path, samples, 16_000, format="WAV", subtype="FLOAT")

    return make


@pytest.mark.parametrize(
    ("name", "make", "cause"),
    [
        ("absent.wav", lambda path: None, "does not exist"),
        ("folder.wav", make_folder, "is not a file"),
        ("zero.mp3", lambda path: path.write_bytes(b""), r"is empty \(0 bytes\)"),
        ("text.wav", lambda path: path.write_text("path,label\n" * 99), "is not audio"),
        ("text.mp3", lambda path: path.write_text("path,label\n" * 99), "is not audio"),
        ("text.au", lambda path: path.write_text("path,label\n" * 99), "is not audio"),
        ("bytes.flac", lambda path: path.write_bytes(bytes(range(256)) * 99), "is not audio"),
        ("none.wav", make_silent_header, "holds no samples"),
        ("nan.wav", make_samples(np.nan), "holds samples that are NaN"),
        ("inf.wav", make_samples(-np.inf), "holds samples that are NaN or infinite"),
        ("one.wav", make_one_sample, "is too short to hold one sample at 16000 Hz"),
        ("pointer.wav", make_pointer, "is a git-LFS pointer, not the data itself: run git lfs pu"),
        ("pointer.mp3", make_pointer, "is a git-LFS pointer, not the data itself: run git lfs pu"),
        ("pointer.au", make_pointer, "is a git-LFS pointer, not the data itself: run git lfs pu"),
    ],
)
def test_a_file_that_is_no_sound_is_refused_in_one_sentence(tmp_path, name, make, cause):
    path = tmp_path / name
    make(path)
    with pytest.raises(UnreadableAudioError, match=cause) as caught:
        read_audio(path, 16_000)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.endswith("; replace or remove the file.")
    assert "\n" not in message


def test_one_sample_is_a_sound_at_its_own_rate(tmp_path):
    make_one_sample(tmp_path / "one.wav")
    assert len(read_audio(tmp_path / "one.wav", 48_000)) == 1
    assert count_samples(tmp_path / "one.wav", 48_000) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_a_file_of_floats_with_an_impossible_sample_is_refused_by_every_reader(tmp_path, value):
    path = tmp_path / "a.wav"
    make_samples(value)(path)
    readers = (
        lambda: read_audio(path, 22_050),
        lambda: read_stretch(path, 16_000, 600, 400),
        lambda: count_samples(path, 16_000),
    )
    causes = set()
    for read in readers:
        with pytest.raises(UnreadableAudioError) as caught:
            read()
        causes.add(caught.value.cause)
    assert len(causes) == 1
    expected = "samples of 3e+38, where full scale is 1" if value == 3e38 else "NaN or infinite"
    assert expected in causes.pop()


def test_the_error_survives_the_way_back_from_a_worker():
    error = UnreadableAudioError(Path("a.wav"), "holds no samples")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) == "a.wav holds no samples; replace or remove the file."


def test_endings_of_audio():
    usual = {".wav", ".mp3", ".ogg", ".opus", ".flac", ".aif", ".aiff", ".caf", ".au", ".w64"}
    assert usual <= AUDIO_SUFFIXES
    assert not AUDIO_SUFFIXES & {".raw", ".mat", ".csv", ".npy", ".m4a", ""}
    assert all(suffix == suffix.lower() for suffix in AUDIO_SUFFIXES)


def test_real_files_of_openmic(shared_data, tmp_path):
    folder = shared_data / "annotations" / "openmic-2018" / "audio"
    (mp3,) = folder.glob("*.mp3")  # constant rate, no header: libsndfile promises 781,260 samples
    assert len(read_audio(mp3, 44_100)) == 675 * 1152
    assert count_samples(mp3, 44_100) == 675 * 1152
    ogg = folder / "000" / "000046_3840.ogg"
    whole = read_audio(ogg, 44_100)
    assert len(whole) == count_samples(ogg, 44_100) == 441_000
    end = read_stretch(ogg, 44_100, 431_000, 44_100)  # libsndfile's own seek is off by 88 frames
    np.testing.assert_array_equal(end, whole[431_000:])
    cut = tmp_path / "cut.ogg"
    cut.write_bytes(ogg.read_bytes()[: ogg.stat().st_size // 2])
    with pytest.raises(UnreadableAudioError, match="is truncated"):
        read_audio(cut, 44_100)
    with pytest.raises(UnreadableAudioError, match="holds no samples"):
        read_audio(folder / "empty.wav", 44_100)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("ending", ["wav", "flac", "mp3", "ogg"])
def test_blocks_together_are_the_whole(tmp_path, ending, rate):
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (200_000, 2)).astype(np.float32)
    path = tmp_path / f"noise.{ending}"
    soundfile.write(path, audio, rate)
    blocks = list(stream_audio(path, 16_000))
    assert len(blocks) > 1
    assert (np.concatenate(blocks) == read_audio(path, 16_000)).all()


def test_blocks_need_no_memory_for_the_whole(tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(8_000_000, np.float32), 32_000, "PCM_16")
    tracemalloc.start()
    total = sum(len(block) for block in stream_audio(path, 16_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 4_000_000
    assert peak < 4_000_000  # bytes, a quarter of the result


def test_samples_are_resampled_as_those_of_a_file(tmp_path):
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, 100_001).astype(np.float32)
    path = tmp_path / "noise.wav"
    soundfile.write(path, audio, 44_100, "FLOAT")
    assert resample(audio, 44_100, 16_000) == pytest.approx(read_audio(path, 16_000), abs=1e-6)
    assert (resample(audio, 8000, 8000) == audio).all()
