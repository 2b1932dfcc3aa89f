"""Where Medley-solos-DB is published: its table and an archive of its clips, on Zenodo."""

from pathlib import Path

from musicssl.download import Archive, fetch, fetch_unpacked

_RECORD = "https://zenodo.org/record/3464194/files"
TABLE = Archive(f"{_RECORD}/Medley-solos-DB_metadata.csv", "md5:fda6a589c56785f2195c9227809c521a")
CLIPS = Archive(f"{_RECORD}/Medley-solos-DB.tar.gz", "md5:f5facf398793ef5c1f80c013afdf3e5f")


def download(root: Path, table: Archive = TABLE, clips: Archive = CLIPS) -> None:
    """Get the corpus as `root/Medley-solos-DB`: its table, and its clips in a folder `audio`.

    Raises:
        InputError: As `musicssl.download.fetch` and `fetch_unpacked`.
    """
    folder = root / "Medley-solos-DB"
    fetch(table, folder)
    fetch_unpacked(clips, folder, folder / "audio")
