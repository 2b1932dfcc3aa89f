"""Where MagnaTagATune is published: its tables, and the parts of a zip file of its clips, 3 GB."""

from collections.abc import Sequence
from pathlib import Path

from musicssl.download import Archive, fetch, fetch_joined
from musicssl.unpack import unpack

_HOST = "https://mirg.city.ac.uk/datasets/magnatagatune"
TABLES = (
    Archive(
        f"{_HOST}/annotations_final.csv",
        "sha256:99b94e95825d4fa576386a5367b9c96e0ec636e9f9c240aceb492f4728f68c3c",
    ),
    Archive(
        f"{_HOST}/clip_info_final.csv",
        "sha256:cb6108a10d3a91f0bfd7d2fbec2382559d15f20c8d28093f14e12162a47a3e78",
    ),
)
PARTS = (
    Archive(
        f"{_HOST}/mp3.zip.001",
        "sha256:f857fe185968773058cc71662c2ef5d8f2d4b7338e3c122cfd52f82dcb9760b9",
    ),
    Archive(
        f"{_HOST}/mp3.zip.002",
        "sha256:fc2e1ec441755556ed1398b1808f1b08b6034372f8bc27394510c0c58cdb52ce",
    ),
    Archive(
        f"{_HOST}/mp3.zip.003",
        "sha256:83a689824c17e82f6eb81cdbc4e4ca239a4cfc1fb41f1a5c80b861caec90450f",
    ),
)


def download(
    root: Path, tables: Sequence[Archive] = TABLES, parts: Sequence[Archive] = PARTS
) -> None:
    """Get the corpus as `root/magnatagatune`: its tables, and its clips in a folder `mp3`.

    Raises:
        InputError: As `fetch`, `fetch_joined` and `unpack`.
    """
    folder = root / "magnatagatune"
    for table in tables:
        fetch(table, folder)
    if not (folder / "mp3").is_dir():
        clips = fetch_joined(parts, folder / "mp3.zip")
        unpack(clips, folder / "mp3")
        print(f"unpacked as {folder / 'mp3'}; {clips} is no longer needed")
