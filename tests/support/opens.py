"""How often Python code opens a file."""

import builtins
import io
from pathlib import Path
from typing import Any

import pytest


def opens_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return a list that grows by one whenever the file is opened from now on."""
    opened: list[Path] = []
    real = io.open

    def counting(file: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(file, str | Path) and Path(file).absolute() == path.absolute():
            opened.append(path)
        return real(file, *arguments, **options)

    monkeypatch.setattr(builtins, "open", counting)  # torch.load's
    monkeypatch.setattr(io, "open", counting)  # that of Path.open
    return opened
