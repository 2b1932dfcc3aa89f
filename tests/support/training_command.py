"""train.py in this process, in a folder of our choice, on a corpus that is small enough."""

from pathlib import Path

from musicssl.cli import training
from musicssl.runs.folder import RunFolder
from tests.support.commands import SEARCH_PATH, composed

TINY = (SEARCH_PATH, "dataset=tiny")


QUICK = (*TINY, "baselines=false", "trainer=cpu", "trainer.max_epochs=2", "data.batch_size=16")


def run(folder: Path, *overrides: str) -> RunFolder:
    """Run in this process, in a folder of our choice."""
    run_folder = RunFolder(folder)
    training.run(composed("train", folder, *QUICK, *overrides), run_folder)
    return run_folder
