from functools import partial
from pathlib import Path

import pytest

from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.download import Archive
from musicssl.datasets.openmic import OpenMIC, OpenMICAudio, download
from tests.support.openmic_folder import KEYS, write_openmic
from tests.support.publisher import Publisher, files_in


@pytest.fixture
def published(publisher: Publisher, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """The synthetic corpus, without audio, as an archive."""
    folder = tmp_path_factory.mktemp("corpus") / "openmic-2018"
    write_openmic(folder)
    members = {f"openmic-2018/{name}": data for name, data in files_in(folder).items()}
    return publisher.tar("openmic.tgz", members)


def test_download_gets_the_corpus_once(
    published: Archive, publisher: Publisher, tmp_path: Path
) -> None:
    download(tmp_path, published)
    assert OpenMIC(tmp_path).load().clip_ids.tolist() == KEYS
    (tmp_path / "openmic.tgz").unlink()
    download(tmp_path, published)
    assert publisher.requests == ["openmic.tgz"]


def command(root: Path, archive: Archive) -> int:
    arguments = ["--root", str(root), "--download", "--cache", str(root / "cache")]
    return corpus_command(OpenMICAudio, arguments, partial(download, archive=archive))


def test_download_leaves_an_incomplete_folder_to_its_owner(
    published: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_openmic(tmp_path / "openmic-2018")
    (tmp_path / "openmic-2018" / "openmic-2018.npz").unlink()
    with pytest.raises(SystemExit, match="2"):
        command(tmp_path, published)
    assert "lacks openmic-2018.npz; move the folder away" in capsys.readouterr().err
    assert not (tmp_path / "openmic-2018" / "openmic-2018.npz").exists()
    assert not (tmp_path / "openmic.tgz").exists()


def test_a_wrong_archive_ends_with_2(
    published: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = Archive(published.url, f"md5:{'0' * 32}")
    with pytest.raises(SystemExit, match="2"):
        command(tmp_path / "new", wrong)
    assert "error: " in capsys.readouterr().err
    assert list((tmp_path / "new").iterdir()) == []
