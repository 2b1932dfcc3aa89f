from pathlib import Path
from zipfile import ZIP_BZIP2

import pytest

from musicssl.datasets.base.download import Archive
from musicssl.datasets.fma import ARCHIVES, download
from musicssl.errors import InputError
from tests.support.publisher import Publisher, files_in

MEMBERS = {
    "metadata": {"fma_metadata/tracks.csv": b",album\n", "fma_metadata/README.txt": b"read"},
    "small": {"fma_small/000/000002.mp3": b"small", "fma_small/checksums": b""},
    "medium": {"fma_medium/000/000002.mp3": b"medium"},
}


@pytest.fixture
def archives(publisher: Publisher) -> dict[str, Archive]:
    return {
        name: publisher.zip(f"fma_{name}.zip", members, "sha1", ZIP_BZIP2)
        for name, members in MEMBERS.items()
    }


@pytest.mark.parametrize("subset", ["small", "medium"])
def test_a_subset_comes_with_the_tables(
    publisher: Publisher, archives: dict[str, Archive], tmp_path: Path, subset: str
) -> None:
    download(tmp_path, subset, archives)
    fetched = ["fma_metadata.zip", f"fma_{subset}.zip"]
    for name in fetched:
        (tmp_path / name).unlink()
    assert files_in(tmp_path) == MEMBERS["metadata"] | MEMBERS[subset]
    download(tmp_path, subset, archives)
    assert publisher.requests == fetched


def test_an_unknown_subset_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="small, medium, large, full, not 'tiny'"):
        download(tmp_path, "tiny")
    assert list(tmp_path.iterdir()) == []


def test_the_checksums_are_those_of_the_authors(shared_data: Path) -> None:
    lines = (shared_data / "annotations" / "fma" / "checksums.sha1").read_text().splitlines()
    published = {name: f"sha1:{digest}" for digest, name in map(str.split, lines)}
    assert {archive.name: archive.checksum for archive in ARCHIVES.values()} == published
