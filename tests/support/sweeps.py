"""Sweeps of train.py in processes of their own, on a corpus that is small enough."""

import subprocess
from pathlib import Path

from tests.support.commands import ROOT, SEARCH_PATH
from tests.support.preloaded import Command

QUICK = (
    *(SEARCH_PATH, "dataset=tiny"),
    *("trainer=cpu", "data.batch_size=16", "encoder.dropout=0"),
)


def start(folder: Path, *overrides: str) -> Command:
    return Command(
        *(str(ROOT / "train.py"), *overrides, *QUICK),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: Command) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def completed(folder: Path) -> dict[str, int]:
    """When each run was completed, in nanoseconds."""
    return {p.parent.name: p.stat().st_mtime_ns for p in folder.rglob("metrics.json")}
