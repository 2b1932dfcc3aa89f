"""Where emoMusic is published: an archive of its tables and one of its clips."""

from pathlib import Path

from musicssl.download import Archive, fetch_unpacked

_HOST = "http://cvml.unige.ch/databases/emoMusic"
TABLES = Archive(
    f"{_HOST}/annotations.tar.gz",
    "sha256:e0cb0b06e1b0ce7f04b1572fc410937699b7fad9dae67ddaa745f06cda4b0b33",
)
CLIPS = Archive(
    f"{_HOST}/clips_45sec.tar.gz",
    "sha256:3994a5d5fefc27f9540d1a69cd7f1294c68e6cb311ce49765021e2e9c7a1057b",
)


def download(root: Path, tables: Archive = TABLES, clips: Archive = CLIPS) -> None:
    """Get the corpus as `root/emomusic`: its tables, and beside them the folder of its clips.

    Raises:
        InputError: As `musicssl.download.fetch_unpacked`.
    """
    folder = root / "emomusic"
    fetch_unpacked(tables, root, folder)
    fetch_unpacked(clips, root, folder / "clips_45seconds")
