"""Where OpenMIC-2018 is published: one archive on Zenodo, 2.6 GB."""

from pathlib import Path

from musicssl.download import Archive, fetch_unpacked
from musicssl.openmic.folder import CLASS_MAP, FEATURES, FOLDER, LABELS, check_complete

ARCHIVE = Archive(
    url="https://zenodo.org/record/1432913/files/openmic-2018-v1.0.0.tgz",
    checksum="md5:e4ccf187e2bb5ab2e115416e8aafe7f4",
)


def download(root: Path, archive: Archive = ARCHIVE) -> None:
    """Get the corpus as `root/openmic-2018`; do nothing if it is there.

    Raises:
        InputError: As `musicssl.download.fetch_unpacked`, or if that folder is incomplete.
    """
    fetch_unpacked(archive, root, root / FOLDER)
    check_complete(root / FOLDER, (CLASS_MAP, FEATURES, LABELS))
