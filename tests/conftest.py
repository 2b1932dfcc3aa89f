"""Fixtures that many tests share."""

import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.support.pictures import leave_blank
from tests.support.quick_composing import compose_quickly
from tests.support.tone_folder import INSTANCES, SOUND, train_on, write_folder

_ROOMS = ("cli", "methods", "report", "runs", "test_benchmarks.py")
_DRAW_MUCH = [Path(__file__).parent / room for room in _ROOMS]

compose_quickly()
# A shell lets its jobs in the background ignore SIGINT, and they what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Look for garbage less often, and not among the ten thousand tests: a tenth of their time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave the pictures of runs and reports blank: drawing is half of a small run's time.

    Tests marked `pictures` draw, and so do those of other folders. A hook and not a fixture, as
    fixtures of a module train, too.
    """
    draws = any(item.path.is_relative_to(folder) for folder in _DRAW_MUCH)
    leave_blank(draws and item.get_closest_marker("pictures") is None)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a line on the screen, though pytest keeps what tests print to itself."""

    def say(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}", end=" ")

    return say


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings and annotation files; skips where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MUSICSSL_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real files at {folder}; set MUSICSSL_SHARED_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """A folder of labelled tones."""
    return write_folder(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="session")
def of_instances(recordings, tmp_path_factory):
    """A run of ATT on log-mel instances of the tones."""
    return train_on(recordings, tmp_path_factory.mktemp("att"), *INSTANCES)


@pytest.fixture(scope="session")
def of_sound(recordings, tmp_path_factory):
    """A run of an encoder of sound whose chunks last half a second, on the tones."""
    return train_on(recordings, tmp_path_factory.mktemp("crnn"), *SOUND)
