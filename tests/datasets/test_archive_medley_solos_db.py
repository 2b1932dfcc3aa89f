from pathlib import Path

from musicssl.datasets.medley_solos_db import CLIPS, METADATA, download
from tests.support.publisher import Publisher, files_in


def test_the_table_and_the_clips_come_into_one_folder(publisher: Publisher, tmp_path: Path) -> None:
    table = publisher.file("Medley-solos-DB_metadata.csv", b"subset\n")
    clips = publisher.tar("Medley-solos-DB.tar.gz", {"./Medley-solos-DB_test-0_a.wav": b"1"})
    download(tmp_path, table, clips)
    folder = tmp_path / "Medley-solos-DB"
    (folder / "Medley-solos-DB.tar.gz").unlink()
    assert files_in(folder) == {
        "Medley-solos-DB_metadata.csv": b"subset\n",
        "audio/Medley-solos-DB_test-0_a.wav": b"1",
    }
    download(tmp_path, table, clips)
    assert publisher.requests == ["Medley-solos-DB_metadata.csv", "Medley-solos-DB.tar.gz"]


def test_each_file_has_its_own_checksum() -> None:
    assert METADATA.checksum != CLIPS.checksum
    assert len(METADATA.checksum) == len(CLIPS.checksum) == len("md5:") + 32
