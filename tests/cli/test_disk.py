"""Disks that are full or may not be written: one sentence, status 2, and nothing of a run is lost.

The disks are real ones, small and in memory, in a name space of their own.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.commands import ROOT, SEARCH_PATH

pytestmark = pytest.mark.slow

TRAIN = f"{sys.executable} {ROOT}/train.py '{SEARCH_PATH}' dataset=tiny trainer=cpu"
EPOCHS = "trainer.max_epochs=3 name=small runs=disk/runs hydra.run.dir=disk/runs/small"


def on_disk(folder: Path, size: str, *lines: str) -> subprocess.CompletedProcess[str]:
    """Run lines of a shell beside `disk`, an empty disk of some size, and copy it to `kept`."""
    (folder / "disk").mkdir()
    mount = f"mount -t tmpfs -o size={size} none disk"
    script = "\n".join([f"{mount} || exit 77", *lines, "mount -o remount,size=9m disk"])
    done = subprocess.run(
        ["unshare", "-Urm", "bash", "-c", f"{script}\ncp -r disk kept"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("a user may not mount disks here")
    return done


def told(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the errors that were printed, of which none is a traceback."""
    assert "Traceback" not in done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]


@pytest.mark.parametrize(
    ("size", "holds"),
    [("8k", "config.yaml"), ("60k", "best.ckpt"), ("120k", "last.ckpt"), ("200k", "last.ckpt")],
)
def test_a_run_that_filled_a_disk_goes_on_when_there_is_room(tmp_path, size, holds):
    done = on_disk(
        tmp_path,
        size,
        f"{TRAIN} {EPOCHS}; echo status $?; find disk; mount -o remount,size=9m disk",
        f"{TRAIN} {EPOCHS}; echo status $?",
        f"{TRAIN} {EPOCHS.replace('disk', 'roomy')} >roomy.txt",
    )
    said = "No space left on device; make room or choose another folder (runs=FOLDER)."
    assert told(done) == [f"error: {tmp_path}/disk/runs/small cannot be written: {said}"]
    [first, second] = [line for line in done.stdout.splitlines() if line.startswith("status")]
    assert (first, second) == ("status 2", "status 0")
    left = done.stdout.partition("status 2")[2].partition("status")[0]
    assert f"/{holds}\n" in left
    assert ".ckpt.part" not in left  # it would take room for nothing
    once, later = (tmp_path / "roomy/runs/small", tmp_path / "kept/runs/small")
    assert (later / "metrics.json").read_text() == (once / "metrics.json").read_text()
    whole, resumed = (np.load(run / "predictions.npz")["scores"] for run in (once, later))
    np.testing.assert_array_equal(whole, resumed)


@pytest.mark.parametrize("choice", ["synthband", "audio_folder"])
def test_features_that_fill_a_disk_are_one_sentence(tmp_path, choice):
    """The features are written through memory maps, of which a full disk would kill the process."""
    noise = "numpy.random.default_rng(0).random(10**6) / 9"
    make = f"import numpy, soundfile; soundfile.write('sound/a.wav', {noise}, 16000)"
    corpus = "dataset=synthband dataset.num_clips=60"
    if choice == "audio_folder":
        corpus = "dataset=audio_folder data.root=sound"
    done = on_disk(
        tmp_path,
        "100k",
        f'mkdir sound; {sys.executable} -c "{make}"; cp sound/a.wav sound/b.wav',
        "printf 'path,labels,split\\na.wav,x,train\\nb.wav,x,test\\n' >sound/labels.csv",
        f"{sys.executable} {ROOT}/train.py {corpus} data.cache=disk trainer=cpu; echo status $?",
        "ls -A disk",
    )
    [error] = told(done)
    assert "cannot be written: No space left on device; make room or choose" in error
    assert "(data.cache=FOLDER)" in error
    assert "status 2" in done.stdout


def test_a_disk_that_is_for_reading_is_one_sentence(tmp_path):
    done = on_disk(
        tmp_path,
        "9m",
        "mount -o remount,ro disk",
        f"{TRAIN} {EPOCHS}; echo status $?",
        f"{TRAIN} seed=0,1 runs=disk/sweep -m; echo status $?",
        f"{TRAIN} trainer.max_epochs=1 name=roomy hydra.run.dir=roomy >roomy.txt",
        f"{sys.executable} -m musicssl.report roomy --out disk/report; echo status $?",
    )
    errors = told(done)
    assert done.stdout.count("status 2") == 3
    assert len(errors) == 3
    assert all("Read-only file system" in error for error in errors)


def test_a_file_where_a_folder_should_be_is_one_sentence(tmp_path):
    done = on_disk(tmp_path, "9m", f"touch disk/runs; {TRAIN} {EPOCHS}; echo status $?")
    [error] = told(done)
    assert "disk/runs" in error
    assert "status 2" in done.stdout


def test_runs_of_a_sweep_that_fill_a_disk_are_mistakes_of_the_user(tmp_path):
    done = on_disk(tmp_path, "60k", f"{TRAIN} seed=0,1 runs=disk/runs -m; echo status $?")
    assert not told(done)
    failed = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert [line.partition(": /")[0] for line in failed] == ["failed: seed=0", "failed: seed=1"]
    assert all("No space left on device; make room or" in line for line in failed)
    assert "status 2" in done.stdout
    assert not list((tmp_path / "kept").rglob("error.txt"))
