"""Damaged copies of audio files of every kind: each is read to its right length, or refused.

Every copy goes through the list of readable files, whole reads, crops, a clip store and instances.
"""

import random
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicssl.audio.decode import count_samples, read_audio, read_stretch
from musicssl.audio.file_stores import file_store
from musicssl.audio.inspection import inspect
from musicssl.audio.instances import instance_store
from musicssl.audio.log_mel import LogMel
from musicssl.audio.sound_files import sound_files
from musicssl.audio.unreadable import UnreadableAudioError

pytestmark = [
    pytest.mark.fuzz,
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed"),
]
RATE = 8_000
FEATURES = LogMel(sample_rate=RATE, n_fft=512, instance_seconds=0.5)
COPIES = 24  # of each file
WRITTEN = {  # by libsndfile
    "a.wav": ("WAV", "PCM_16"), "floats.wav": ("WAV", "FLOAT"), "24.wav": ("WAV", "PCM_24"),
    "a.aiff": ("AIFF", "PCM_16"), "a.au": ("AU", "PCM_16"), "a.caf": ("CAF", "PCM_16"),
    "a.w64": ("W64", "PCM_16"), "a.rf64": ("RF64", "PCM_16"), "a.sph": ("NIST", "PCM_16"),
    "a.flac": ("FLAC", "PCM_16"), "a.ogg": ("OGG", "VORBIS"), "a.mp3": ("MP3", "MPEG_LAYER_III"),
}  # fmt: skip
ENCODED = {  # by FFmpeg
    "cbr.mp3": ["-b:a", "128k"],
    "bare-cbr.mp3": ["-b:a", "128k", "-write_xing", "0"],
    "bare-vbr.mp3": ["-q:a", "2", "-write_xing", "0"],
    "in.wav": ["-c:a", "libmp3lame"],
    "a.mp2": [],
    "a.opus": [],
}
DAMAGES = ("cut", "bit", "head", "bytes", "zero", "lose", "junk", "zeros", "twice", "insert")
MP3 = (*[name for name in ENCODED if name != "a.opus"], "a.mp3")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, (2 * 44_100 + 77, 2))
    samples[44_100:] *= 1e-2
    for name, (form, coding) in WRITTEN.items():
        soundfile.write(folder / name, samples, 44_100, format=form, subtype=coding)
    call = ["ffmpeg", "-v", "error", "-i", str(folder / "a.wav")]
    for name, options in ENCODED.items():
        subprocess.run([*call, *options, str(folder / name)], check=True)
    piped = subprocess.run([*call, "-f", "flac", "-"], capture_output=True, check=True).stdout
    (folder / "piped.flac").write_bytes(piped)
    return sorted(folder.iterdir())


def damaged(content, damage, rng):
    data = bytearray(content)
    begin = rng.randrange(1, len(data))
    if damage == "cut":
        del data[begin:]
    elif damage == "bit":
        data[begin] ^= 1 << rng.randrange(8)
    elif damage == "head":
        data[rng.randrange(100)] ^= 1 << rng.randrange(8)
    elif damage == "bytes":
        for _ in range(8):
            data[rng.randrange(len(data))] = rng.randrange(256)
    elif damage == "zero":
        stop = min(len(data), begin + rng.choice((4, 512, 4096)))
        data[begin:stop] = bytes(stop - begin)
    elif damage == "lose":
        del data[begin : begin + rng.choice((1, 417, 4096))]
    elif damage == "junk":
        data += rng.randbytes(rng.choice((7, 1_000, 30_000)))
    elif damage == "zeros":
        data += bytes(rng.choice((7, 1_000, 30_000)))
    elif damage == "twice":
        data *= 2
    else:
        data[begin:begin] = rng.randbytes(rng.choice((1, 500, 5_000)))
    return bytes(data)


def outcome(read):
    """Return what a function returns, or the cause why the file is refused."""
    try:
        return read()
    except UnreadableAudioError as error:
        return error.cause


def lengths_by_ffmpeg(path, is_mp3):
    """Return the length that FFmpeg decodes and, for MP3, that of all packets."""
    call = ["ffmpeg", "-v", "error", "-i", str(path), "-ac", "1", "-f", "u8", "-"]
    lengths = [len(subprocess.run(call, capture_output=True, check=False).stdout)]
    if is_mp3:
        call = ["ffprobe", "-v", "error", "-count_packets", "-of", "csv=p=0", "-show_entries"]
        call += ["stream=nb_read_packets", str(path)]
        packets = subprocess.run(call, capture_output=True, check=False, text=True).stdout
        lengths.append(1152 * int(packets.split()[0].strip(",") or 0) if packets.split() else 0)
    return lengths


def is_right(path, source, damage):
    """Whether a length is that of FFmpeg, or that of the source if the sound keeps its time."""
    header, original = inspect(path), inspect(source)
    keeps_time = damage not in ("cut", "lose", "twice") and header.rate == original.rate
    if keeps_time and abs(header.frames - original.frames) <= 1:
        return True
    # a frame more or less, and the delay of the decoder; FFmpeg reads only whole blocks of W64
    slack = 1152 + 529 if source.name in MP3 else 1024 if source.suffix == ".w64" else 0
    lengths = lengths_by_ffmpeg(path, source.name in MP3)
    return min(abs(length - header.frames) for length in lengths) <= slack


def check_crops(path, whole):
    """Check that each crop is that part of the whole, or is refused."""
    for start in (0, len(whole) // 3, max(0, len(whole) - 500)):
        crop = read_stretch(path, RATE, start, 1_000)
        np.testing.assert_allclose(crop, whole[start : start + 1_000], atol=1e-4)


def test_damaged_files_are_read_to_their_right_length_or_refused(sources, tmp_path, capsys):
    rng = random.Random(0)
    made: dict[str, tuple[Path, str]] = {}
    for source in sources:
        for index in range(COPIES):
            damage = DAMAGES[index % len(DAMAGES)]
            name = f"{source.stem}-{index}{source.suffix}"
            (tmp_path / name).write_bytes(damaged(source.read_bytes(), damage, rng))
            made[name] = source, damage
    names, cache = list(made), tmp_path / "cache"
    listed = sound_files(tmp_path, names, RATE, cache, 1)
    stored = file_store(tmp_path, names, RATE, cache, "c", 1)
    instances = instance_store(tmp_path, names, FEATURES, cache, "c", num_workers=1)
    length_of = dict(zip(listed.clip_ids, listed.lengths.tolist(), strict=True))
    stored_length = dict(zip(stored.clip_ids, stored.lengths.tolist(), strict=True))
    counts, wrong = Counter(), []
    for name, (source, damage) in made.items():
        path, cause = tmp_path / name, listed.unreadable.get(name)
        whole = outcome(lambda path=path: read_audio(path, RATE))
        late = cause is None and isinstance(whole, str)
        if late:
            cause = whole
            assert source.suffix in (".flac", ".caf"), (name, cause)  # inside of a frame
        if cause is not None:
            assert whole == cause
            assert stored.unreadable[name] == instances.unreadable[name] == cause
            crop = outcome(lambda path=path: read_stretch(path, RATE, 0, 1_000))
            assert late or crop == cause
            counts[source.name, "refused when decoded" if late else "refused"] += 1
            continue
        length = count_samples(path, RATE)
        assert length == length_of[name] == stored_length[name] == len(whole)
        assert name in instances.clip_ids
        check_crops(path, whole)
        if is_right(path, source, damage):
            counts[source.name, "right"] += 1
        else:
            counts[source.name, "wrong"] += 1
            wrong.append((name, source.name, damage, inspect(path).frames))
    kinds = ("right", "refused", "refused when decoded", "wrong")
    with capsys.disabled():
        print(f"\n{'file':14}{'tried':>8}" + "".join(f"{kind:>22}" for kind in kinds))
        for source in sources:
            numbers = [counts[source.name, kind] for kind in kinds]
            line = "".join(f"{number:22}" for number in numbers)
            print(f"{source.name:14}{sum(numbers):8}{line}")
    assert not wrong


def test_real_files_are_read_to_the_length_that_ffmpeg_finds(shared_data):
    paths = sorted(shared_data.rglob("*.mp3")) + sorted(shared_data.rglob("*.ogg"))[::20]
    paths += sorted(shared_data.rglob("*.flac"))[::20]
    assert len(paths) > 30
    for path in paths:
        header = outcome(lambda path=path: inspect(path))
        if isinstance(header, str):
            assert header in ("holds no samples", "is empty (0 bytes)"), (path, header)
            continue
        slack = 1152 if path.suffix == ".mp3" else 0
        (length,) = lengths_by_ffmpeg(path, is_mp3=False)
        assert abs(length - header.frames) <= slack, path
