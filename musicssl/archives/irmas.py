"""Where IRMAS is published: four archives on Zenodo, 11 GB."""

from collections.abc import Mapping
from pathlib import Path

from musicssl.download import Archive, fetch_unpacked

_RECORD = "https://zenodo.org/record/1290750/files"
ARCHIVES = {
    name: Archive(f"{_RECORD}/{name}.zip", f"md5:{digest}")
    for name, digest in (
        ("IRMAS-TrainingData", "4fd9f5ed5a18d8e2687e6360b5f60afe"),
        ("IRMAS-TestingData-Part1", "5a2e65520dcedada565dff2050bb2a56"),
        ("IRMAS-TestingData-Part2", "afb0c8ea92f34ee653693106be95c895"),
        ("IRMAS-TestingData-Part3", "9b3fb2d0c89cdc98037121c25bd5b556"),
    )
}
"""Of each folder of the corpus what it is made from."""


def download(root: Path, archives: Mapping[str, Archive] = ARCHIVES) -> None:
    """Get the four folders of the corpus into `root`, but those that are there.

    Raises:
        InputError: As `musicssl.download.fetch_unpacked`.
    """
    for name, archive in archives.items():
        fetch_unpacked(archive, root, root / name)
