"""Sweeps of train.py in processes of their own, on a corpus that is small enough."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.commands import ROOT, SEARCH_PATH

QUICK = (
    *(SEARCH_PATH, "dataset=tiny"),
    *("trainer=cpu", "data.batch_size=16", "encoder.dropout=0"),
)


def start(folder: Path, *overrides: str) -> subprocess.Popen[str]:
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *overrides, *QUICK],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def completed(folder: Path) -> dict[str, int]:
    """When each run was completed, in nanoseconds."""
    return {p.parent.name: p.stat().st_mtime_ns for p in folder.rglob("metrics.json")}
