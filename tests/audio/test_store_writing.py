import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from musicssl.audio.store import build_store
from musicssl.errors import InputError
from tests.support.clip_store_builder import GATED, NAMES, RATE, UNREADABLE, clip

SCRIPT = Path(__file__).parents[1] / "support" / "clip_store_builder.py"


def builder(folder, gate):
    command = [sys.executable, str(SCRIPT), str(folder), str(gate)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1
    )


def content(store):
    files = [path for path in store.folder.iterdir() if path.name != "verified.json"]  # has times
    return {path.name: path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "store"
    return content(build_store(folder, NAMES, clip, RATE, num_workers=1))


def build_counting(folder, names=NAMES, rate=RATE):
    """Build it; return it and the clips that were decoded for it."""
    decoded = []

    def counting(name):
        decoded.append(name)
        return clip(name)

    return build_store(folder, names, counting, rate, num_workers=1), decoded


def interrupt(folder, at):
    def stopped(name):
        if name == at:
            raise KeyboardInterrupt
        return clip(name)

    with pytest.raises(KeyboardInterrupt):
        build_store(folder, NAMES, stopped, RATE, num_workers=1)
    assert not folder.exists()
    (part,) = folder.parent.glob(f".{folder.name}.part-*")
    return part


def test_several_workers_write_the_same(tmp_path, whole):
    store = build_store(tmp_path / "store", NAMES, clip, RATE, num_workers=2)
    assert content(store) == whole
    assert store.unreadable == {UNREADABLE: "is the seventh"}
    store.verify()


@pytest.mark.slow
def test_after_a_kill_the_rest_is_decoded_and_the_store_is_the_same(tmp_path, whole):
    process = builder(tmp_path / "store", tmp_path / "gate")
    while process.stdout.readline() != f"{GATED}\n":
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (tmp_path / "store").exists()
    store, decoded = build_counting(tmp_path / "store")
    assert 0 < len(decoded) < len(NAMES)
    assert decoded == NAMES[-len(decoded) :]
    assert content(store) == whole
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["store"]


@pytest.mark.slow
def test_of_two_processes_one_decodes_and_both_have_the_store(tmp_path, whole):
    processes = [builder(tmp_path / "store", tmp_path / "gate") for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "started\n"
    time.sleep(0.2)  # without a lock both would be decoding by now
    (tmp_path / "gate").touch()
    outputs = [process.stdout.read().splitlines() for process in processes]
    for process in processes:
        assert process.wait() == 0
        process.stdout.close()
    assert sorted(outputs, key=len) == [["29"], [*NAMES, "29"]]
    store, decoded = build_counting(tmp_path / "store")
    assert decoded == []
    assert content(store) == whole


def cut_the_last_line(part):
    journal = part / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-3])


def lose_a_line(part):
    journal = part / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[11] = bytes(len(lines[11]) - 1) + b"\n"  # zeros, as a power cut leaves them
    journal.write_bytes(b"".join(lines))


def damage_a_clip(part):
    samples = bytearray((part / "samples.i16").read_bytes())
    samples[2 * sum(100 + 37 * n for n in range(5)) + 33] ^= 1
    (part / "samples.i16").write_bytes(samples)


def cut_the_samples(part):
    samples = (part / "samples.i16").read_bytes()
    (part / "samples.i16").write_bytes(samples[: 2 * sum(100 + 37 * n for n in range(4)) + 1])


def write_more_samples(part):
    with (part / "samples.i16").open("ab") as file:
        file.write(b"of the clip that no line speaks of")


def lose_the_journal(part):
    (part / "journal.jsonl").unlink()


@pytest.mark.parametrize(
    ("damage", "kept"),  # 16 clips are journalled: two chunks of eight before the interrupt
    [
        (lambda part: None, 16),
        (cut_the_last_line, 15),
        (lose_a_line, 10),
        (damage_a_clip, 5),
        (cut_the_samples, 4),
        (write_more_samples, 16),
        (lose_the_journal, 0),
    ],
)
def test_damaged_entries_are_decoded_again(tmp_path, whole, damage, kept):
    damage(interrupt(tmp_path / "store", at="clip 17"))
    store, decoded = build_counting(tmp_path / "store")
    assert decoded == NAMES[kept:]
    assert content(store) == whole


def test_an_interrupted_build_of_other_clips_or_another_rate_is_not_gone_on_with(tmp_path):
    for names, rate in [(NAMES[::-1], RATE), (NAMES, 16_000)]:
        interrupt(tmp_path / str(rate), at="clip 17")
        store, decoded = build_counting(tmp_path / str(rate), names, rate)
        assert decoded == names
        assert store.sample_rate == rate
        store.verify()


@contextmanager
def disk_of(size):
    """Let no file become larger; the system says so when it is written, as of a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_full_disk_is_one_sentence_and_the_build_is_resumed_later(tmp_path, whole, num_workers):
    folder = tmp_path / "store"
    with disk_of(20_001), pytest.raises(InputError) as caught:  # within a clip, within a sample
        build_store(folder, NAMES, clip, RATE, num_workers)
    (part,) = tmp_path.glob(".store.part-*")
    assert str(caught.value) == (
        "the clip store cannot be written: File too large; make room or choose another folder "
        f"(data.cache), and start again: {part} keeps the clips done so far."
    )
    assert not folder.exists()
    store, decoded = build_counting(folder)
    assert 0 < len(decoded) < len(NAMES)
    assert content(store) == whole


def test_a_disk_that_fails_in_the_end_leaves_no_store(tmp_path, whole, monkeypatch):
    def fail(number):
        raise OSError(28, "No space left on device")

    folder = tmp_path / "store"
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(InputError, match="cannot be written: No space left on device; make room"):
        build_counting(folder)
    assert not folder.exists()
    monkeypatch.undo()
    store, decoded = build_counting(folder)
    assert decoded == []
    assert content(store) == whole


def test_samples_beyond_full_scale_are_clipped_counted_and_reported(tmp_path, caplog):
    def loud(name):
        return np.array([0.5, 1.5, -1.25, 1.0] if name == "loud" else [0.5], np.float32)

    store = build_store(tmp_path / "store", ["soft", "loud"], loud, RATE, num_workers=1)
    assert store.clipped.tolist() == [0, 2]
    x = store.read(np.array([1]), np.array([0]), 4)
    np.testing.assert_allclose(x[0], [0.5, 1, -1, 1], atol=1 / 32768)
    assert "2 samples in 1 clips exceeded full scale and were clipped" in caplog.text
    assert "loud" in caplog.text


def test_a_failure_of_the_decoder_is_not_swallowed(tmp_path):
    with pytest.raises(ZeroDivisionError):
        build_store(tmp_path / "store", ["a"], lambda name: 1 / 0, RATE, num_workers=1)
    assert not (tmp_path / "store").exists()
