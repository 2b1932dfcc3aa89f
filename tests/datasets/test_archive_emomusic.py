import json
from pathlib import Path

from musicssl.datasets.emomusic import CLIPS, TABLES, download
from tests.support.publisher import Publisher, files_in


def test_tables_and_clips_come_into_one_folder(publisher: Publisher, tmp_path: Path) -> None:
    tables = publisher.tar("annotations.tar.gz", {"./static_annotations.csv": b"1"}, "sha256")
    clips = publisher.tar("clips_45sec.tar.gz", {"clips_45seconds/2.mp3": b"2"}, "sha256")
    download(tmp_path, tables, clips)
    for archive in (tables, clips):
        (tmp_path / archive.name).unlink()
    assert files_in(tmp_path) == {
        "emomusic/clips_45seconds/2.mp3": b"2",
        "emomusic/static_annotations.csv": b"1",
    }
    download(tmp_path, tables, clips)
    assert publisher.requests == ["annotations.tar.gz", "clips_45sec.tar.gz"]


def test_clips_that_failed_are_fetched_by_the_next_run(
    publisher: Publisher, tmp_path: Path
) -> None:
    tables = publisher.tar("annotations.tar.gz", {"songs_info.csv": b"1"}, "sha256")
    clips = publisher.tar("clips_45sec.tar.gz", {"clips_45seconds/2.mp3": b"2"}, "sha256")
    (tmp_path / "emomusic").mkdir()
    (tmp_path / "emomusic" / "songs_info.csv").write_bytes(b"1")
    download(tmp_path, tables, clips)
    assert publisher.requests == ["clips_45sec.tar.gz"]
    assert files_in(tmp_path / "emomusic").keys() == {"clips_45seconds/2.mp3", "songs_info.csv"}


def test_the_archives_are_those_that_jukemir_verified(shared_data: Path) -> None:
    file = shared_data / "annotations" / "emomusic" / "jukemir_assets_emomusic.json"
    assets = json.loads(file.read_text())
    for archive, name in ((CLIPS, "EMOMUSIC_CLIPS"), (TABLES, "EMOMUSIC_ANNOTATIONS")):
        assert archive.url == assets[name]["url"]
        assert archive.checksum == f"sha256:{assets[name]['checksum']}"
