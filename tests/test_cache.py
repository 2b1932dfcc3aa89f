import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from musicssl.cache import build_on, build_once, default_cache, file_identity, fingerprint
from musicssl.errors import InputError

# Build a folder: say "building", write half of it, wait for a file "go", write the other half.
BUILDER = """
import sys, time
from pathlib import Path
from musicssl.cache import build_once

target, go = Path(sys.argv[1]), Path(sys.argv[2])

def build(folder):
    print("building", flush=True)
    (folder / "first").write_text("1")
    while not go.exists():
        time.sleep(0.01)
    (folder / "second").write_text("2")

print("started", flush=True)
build_once(target, build)
print(sorted(path.name for path in target.iterdir()))
"""


def builder(target, go):
    command = [sys.executable, "-c", BUILDER, str(target), str(go)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def fill(folder):
    (folder / "data").write_text("whole")


def test_a_folder_is_built_once_and_then_left_alone(tmp_path):
    target = tmp_path / "some" / "cache"
    assert build_once(target, fill) == target
    (target / "data").write_text("kept")
    build_once(target, fill)
    assert (target / "data").read_text() == "kept"


def test_a_cache_has_the_permissions_of_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        build_once(tmp_path / "cache", fill)
        assert os.umask(0o027) == 0o027  # left as it was
    finally:
        os.umask(old)
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o750


def test_a_build_that_fails_leaves_nothing_and_may_be_tried_again(tmp_path):
    def fail(folder):
        fill(folder)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        build_once(tmp_path / "cache", fail)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
    build_once(tmp_path / "cache", fill)
    assert (tmp_path / "cache" / "data").read_text() == "whole"


def test_a_killed_build_leaves_no_cache_and_its_rest_is_removed(tmp_path):
    target = tmp_path / "cache"
    process = builder(target, tmp_path / "go")
    assert [process.stdout.readline() for _ in range(2)] == ["started\n", "building\n"]
    while not list(tmp_path.glob(".cache.part-*/first")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not target.exists()
    assert len(list(tmp_path.glob(".cache.part-*"))) == 1
    other = tmp_path / ".cache2.part-x"  # of another cache: not ours to remove
    other.mkdir()
    build_once(target, fill)
    assert [path.name for path in target.iterdir()] == ["data"]
    assert list(tmp_path.glob(".cache.part-*")) == []
    assert other.is_dir()


def test_a_resumed_build_finds_the_files_of_the_first(tmp_path):
    target, found = tmp_path / "cache", []

    def build(folder):
        found.append(sorted(path.name for path in folder.iterdir()))
        (folder / f"data{len(found)}").write_text("some")
        if len(found) < 3:
            raise OSError("disk full")

    for _ in range(2):
        with pytest.raises(OSError, match="disk full"):
            build_on(target, build)
        assert not target.exists()
    assert build_on(target, build) == target
    assert build_on(target, build) == target
    assert found == [[], ["data1"], ["data1", "data2"]]
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["cache"]
    assert sorted(path.name for path in target.iterdir()) == ["data1", "data2", "data3"]


def test_of_two_processes_one_builds_and_both_have_the_whole(tmp_path):
    target, go = tmp_path / "cache", tmp_path / "go"
    processes = [builder(target, go) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "started\n"
    time.sleep(0.2)  # without a lock both would be building by now
    go.touch()
    outputs = [process.stdout.read().splitlines() for process in processes]
    for process in processes:
        assert process.wait() == 0
        process.stdout.close()
    assert sorted(outputs, key=len) == [
        ["['first', 'second']"],
        ["building", "['first', 'second']"],
    ]


def test_a_fingerprint_depends_on_every_value_but_not_on_the_order():
    settings = {"rate": 16000, "parts": {"low": 1, "high": 4}, "names": ["a", "b"]}
    same = {"names": ["a", "b"], "parts": {"high": 4, "low": 1}, "rate": 16000}
    others = [
        settings | {"rate": 16001},
        settings | {"parts": {"low": 1, "high": 5}},
        settings | {"names": ["b", "a"]},
        settings | {"more": None},
    ]
    assert fingerprint(settings) == fingerprint(same)
    assert len({fingerprint(each) for each in [settings, *others]}) == 5
    assert len(fingerprint(settings)) == 12


def test_the_default_folder_is_that_of_train_py(monkeypatch):
    setting = OmegaConf.load(Path(__file__).parents[1] / "conf" / "train.yaml").data
    for chosen in (None, "/somewhere/else"):
        monkeypatch.delenv("MUSICSSL_CACHE", raising=False)
        if chosen:
            monkeypatch.setenv("MUSICSSL_CACHE", chosen)
        assert default_cache() == setting.cache


def test_a_file_is_its_bytes(tmp_path):
    content = bytes(range(256)) * 1_000
    (tmp_path / "a.ckpt").write_bytes(content)
    assert file_identity(tmp_path / "a.ckpt") == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", ["absent.ckpt", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(InputError, match=r"cannot be read .*; check the path"):
        file_identity(tmp_path / name)
