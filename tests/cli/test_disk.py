"""Disks that are full or may not be written: one sentence, status 2, and nothing of a run is lost.

The disks are real ones, small and in memory, in a name space of their own.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.support import preloaded
from tests.support.arrays import arrays_in
from tests.support.commands import ROOT, SEARCH_PATH
from tests.support.small_disk import NOT_ALLOWED

pytestmark = pytest.mark.slow

TRAIN = (f"{ROOT}/train.py", SEARCH_PATH, "dataset=tiny", "trainer=cpu")
EPOCHS = ("trainer.max_epochs=3", "name=small")
SMALL = (*TRAIN, *EPOCHS, "runs=disk/runs", "hydra.run.dir=disk/runs/small")


def on_disk(
    folder: Path, size: str, *steps: str | Sequence[str]
) -> subprocess.CompletedProcess[str]:
    """Run commands and lines of a shell beside `disk`, an empty disk of some size."""
    script = f"{ROOT}/tests/support/small_disk.py"
    done = preloaded.run(script, size, *map(json.dumps, steps), cwd=folder)
    if done.returncode == NOT_ALLOWED:
        pytest.skip("a user may not mount disks here")
    return done


def statuses(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stdout.splitlines() if line.startswith("status")]


def told(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the errors that were printed, of which none is a traceback."""
    assert "Traceback" not in done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]


@pytest.mark.parametrize(
    ("size", "holds"),
    [
        *(("8k", "config.yaml"), ("60k", "best.ckpt"), ("120k", "last.ckpt")),
        pytest.param("200k", "last.ckpt", marks=pytest.mark.pictures),  # most of it is theirs
    ],
)
def test_a_run_that_filled_a_disk_goes_on_when_there_is_room(tmp_path, size, holds):
    done = on_disk(
        tmp_path,
        size,
        *(SMALL, "find disk; mount -o remount,size=9m disk", SMALL),
        (*TRAIN, *EPOCHS, "runs=roomy/runs", "hydra.run.dir=roomy/runs/small"),
    )
    said = "No space left on device; make room or choose another folder (runs=FOLDER)."
    assert told(done) == [f"error: {tmp_path}/disk/runs/small cannot be written: {said}"]
    assert statuses(done) == ["status 2", "status 0", "status 0"]
    left = done.stdout.partition("status 2")[2].partition("status")[0]
    assert f"/{holds}\n" in left
    assert ".ckpt.part" not in left  # it would take room for nothing
    once, later = (tmp_path / "roomy/runs/small", tmp_path / "kept/runs/small")
    assert (later / "metrics.json").read_text() == (once / "metrics.json").read_text()
    whole, resumed = (arrays_in(run / "predictions.npz")["scores"] for run in (once, later))
    np.testing.assert_array_equal(whole, resumed)


@pytest.mark.parametrize("choice", ["synthband", "audio_folder"])
def test_features_that_fill_a_disk_are_one_sentence(tmp_path, choice):
    """The features are written through memory maps, of which a full disk would kill the process."""
    noise = "numpy.random.default_rng(0).random(10**6) / 9"
    make = f"import numpy, soundfile; soundfile.write('sound/a.wav', {noise}, 16000)"
    corpus = ("dataset=synthband", "dataset.num_clips=60")
    if choice == "audio_folder":
        corpus = ("dataset=audio_folder", "data.root=sound")
    done = on_disk(
        tmp_path,
        "100k",
        f'mkdir sound; {sys.executable} -c "{make}"; cp sound/a.wav sound/b.wav',
        "cp sound/a.wav sound/c.wav",
        "printf 'path,label,split\\na.wav,x,train\\nb.wav,y,train\\nc.wav,x,test\\n' "
        ">sound/labels.csv",
        (TRAIN[0], *corpus, "data.cache=disk", "trainer=cpu"),
    )
    [error] = told(done)
    assert "cannot be written: No space left on device; make room or choose" in error
    assert "(data.cache=FOLDER)" in error
    assert statuses(done) == ["status 2"]


def test_a_disk_that_is_for_reading_is_one_sentence(tmp_path):
    done = on_disk(
        tmp_path,
        "9m",
        *("mount -o remount,ro disk", SMALL),
        (*TRAIN, "seed=0,1", "runs=disk/sweep", "-m"),
        (*TRAIN, "trainer.max_epochs=1", "name=roomy", "hydra.run.dir=roomy"),
        ("-m", "musicssl.report", "roomy", "--out", "disk/report"),
    )
    errors = told(done)
    assert statuses(done) == ["status 2", "status 2", "status 0", "status 2"]
    assert len(errors) == 3
    assert all("Read-only file system" in error for error in errors[:2])
    assert "disk may not be written to; choose another folder." in errors[2]


def test_a_file_where_a_folder_should_be_is_one_sentence(tmp_path):
    done = on_disk(tmp_path, "9m", "touch disk/runs", SMALL)
    [error] = told(done)
    assert "disk/runs" in error
    assert statuses(done) == ["status 2"]


def test_runs_of_a_sweep_that_fill_a_disk_are_mistakes_of_the_user(tmp_path):
    done = on_disk(tmp_path, "60k", (*TRAIN, "seed=0,1", "runs=disk/runs", "-m"))
    assert not told(done)
    failed = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert [line.partition(": /")[0] for line in failed] == ["failed: seed=0", "failed: seed=1"]
    assert all("No space left on device; make room or" in line for line in failed)
    assert statuses(done) == ["status 2"]
    assert not list((tmp_path / "kept").rglob("error.txt"))
