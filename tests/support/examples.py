"""The examples as a user starts them: train.py in a process of its own, with their conf/."""

import json
from pathlib import Path
from typing import Any

from tests.support.commands import ROOT, shell

SMALL = ("trainer.max_epochs=2", "data.batch_size=8")


def train(folder: Path, example: str, *overrides: str) -> dict[str, Any]:
    """Train in a folder and return the result of the run; musicssl reads the example's conf/."""
    result = shell(
        folder,
        *("--config-dir", str(ROOT / "examples" / example / "conf"), "trainer=cpu"),
        *SMALL,
        *overrides,
    )
    assert result.returncode == 0, result.stderr
    [metrics] = (folder / "runs").rglob("metrics.json")
    document: dict[str, Any] = json.loads(metrics.read_text())
    return document
