from pathlib import Path

from musicssl.datasets.irmas import ARCHIVES, download
from tests.support.publisher import Publisher, files_in

TRAINING = {"IRMAS-TrainingData/cla/[cla][cla]0189__2.wav": b"train"}
TESTING = {"Part1/02 - And The Body Will Die-8.wav": b"test", "Part1/a.txt": b"gel\t\n"}


def test_the_folders_are_those_that_the_corpus_is_read_from(
    publisher: Publisher, tmp_path: Path
) -> None:
    archives = {
        "IRMAS-TrainingData": publisher.zip("IRMAS-TrainingData.zip", TRAINING),
        "IRMAS-TestingData-Part1": publisher.zip("IRMAS-TestingData-Part1.zip", TESTING),
    }
    download(tmp_path, archives)
    for archive in archives.values():
        (tmp_path / archive.name).unlink()
    unpacked = {f"IRMAS-TestingData-Part1/{name}": data for name, data in TESTING.items()}
    assert files_in(tmp_path) == TRAINING | unpacked
    download(tmp_path, archives)
    assert sorted(publisher.requests) == sorted(archive.name for archive in archives.values())


def test_each_folder_has_its_own_archive() -> None:
    assert [archive.name for archive in ARCHIVES.values()] == [f"{name}.zip" for name in ARCHIVES]
    checksums = [archive.checksum for archive in ARCHIVES.values()]
    assert len(set(checksums)) == 4
    assert {len(checksum) for checksum in checksums} == {len("md5:") + 32}
