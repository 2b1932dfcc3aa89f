"""Where results lie: folders are searched at any depth, and each is found once."""

import re
from collections.abc import Sequence
from pathlib import Path

from musicssl.errors import InputError


def check_folders(folders: Sequence[Path]) -> None:
    """Make sure that all are there.

    Raises:
        InputError: If one is not.
    """
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder}; name folders that hold runs.")


def holding(folders: Sequence[Path], name: str) -> list[Path]:
    """List the folders that hold a file of some name, though the given ones may overlap."""
    files = {file.resolve(): file for folder in folders for file in sorted(folder.rglob(name))}
    return [file.parent for file in files.values()]


def is_of_a_run(config: str) -> bool:
    """Whether the text of a config.yaml is of train.py; other programs have files of that name."""
    return "\n  p_s:" in config and not is_of_a_probe(config)


def is_of_a_probe(config: str) -> bool:
    """Whether the text of a config.yaml is of probe.py."""
    return "\n  p_s:" in config and re.search(r"^probe:", config, re.MULTILINE) is not None
