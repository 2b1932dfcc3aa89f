import json
from pathlib import Path

from musicssl.datasets.magnatagatune import PARTS, TABLES, download
from tests.support.publisher import Publisher, files_in, zip_of

CLIPS = {"0/a-0-29.mp3": b"a", "f/b-30-59.mp3": bytes(range(256))}


def test_the_parts_become_a_folder_of_clips(publisher: Publisher, tmp_path: Path) -> None:
    whole = zip_of(CLIPS)
    cuts = (whole[:100], whole[100:150], whole[150:])
    parts = [publisher.file(f"mp3.zip.00{n}", cut, "sha256") for n, cut in enumerate(cuts, 1)]
    tables = [publisher.file("annotations_final.csv", b'"clip_id"\n', "sha256")]
    download(tmp_path, tables, parts)
    folder = tmp_path / "magnatagatune"
    assert (folder / "mp3.zip").read_bytes() == whole
    (folder / "mp3.zip").unlink()
    clips = {f"mp3/{name}": data for name, data in CLIPS.items()}
    assert files_in(folder) == {"annotations_final.csv": b'"clip_id"\n', **clips}
    download(tmp_path, tables, parts)
    assert len(publisher.requests) == 4


def test_the_files_are_those_that_jukemir_verified(shared_data: Path) -> None:
    file = shared_data / "annotations" / "mtat" / "jukemir_assets_magnatagatune.json"
    assets = {Path(asset["url"]).name: asset for asset in json.loads(file.read_text()).values()}
    for archive in (*TABLES, *PARTS):
        assert archive.checksum == f"sha256:{assets[archive.name]['checksum']}"
