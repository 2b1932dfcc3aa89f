import pytest

from musicssl.datasets.base.folder import corpus_folder
from musicssl.errors import InputError


@pytest.fixture
def above(tmp_path):
    (tmp_path / "data" / "corpus" / "audio").mkdir(parents=True)
    (tmp_path / "data" / "corpus" / "list.csv").touch()
    return tmp_path / "data"


def find(root, folders=("corpus",)):
    return corpus_folder(root, "Corpus", folders, ("list.csv",), "get it from its authors")


def test_the_folder_itself_or_the_one_above_it_will_do(above):
    assert find(above) == above / "corpus"
    assert find(str(above / "corpus")) == above / "corpus"


def test_a_root_a_level_too_low_is_told_the_right_one(above):
    with pytest.raises(InputError, match=f"too low.*data.root={above / 'corpus'}"):
        find(above / "corpus" / "audio")


def test_a_relative_root_knows_what_is_above_it(above, monkeypatch):
    monkeypatch.chdir(above / "corpus" / "audio")
    with pytest.raises(InputError, match="too low"):
        find(".")


def test_a_root_a_level_too_high_is_told_the_right_one(above):
    with pytest.raises(InputError, match=f"too high.*data.root={above / 'corpus'}"):
        find(above, folders=())


@pytest.mark.parametrize(
    ("root", "message"),
    [
        (None, "needs data.root=DIR.*get it from its authors"),
        ("", "needs data.root=DIR"),
        ("nowhere", "is not a folder"),
        ("elsewhere", "does not contain Corpus: it has none of list.csv"),
    ],
)
def test_a_missing_corpus_is_reported_with_its_cure(tmp_path, root, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(InputError, match=message):
        find(root)
