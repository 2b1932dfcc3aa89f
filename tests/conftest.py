"""Fixtures that many tests share."""

import os
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings and annotation files; skips where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MUSICSSL_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real files at {folder}; set MUSICSSL_SHARED_DATA to their folder")
    return folder
