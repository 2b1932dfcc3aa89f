from unicodedata import normalize

import pytest

from musicssl.datasets.formats.listed_files import ListedFiles
from musicssl.errors import InputError

NFC, NFD = (normalize(form, "Café/é.wav") for form in ("NFC", "NFD"))


def files_of(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return ListedFiles(root)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "A"


@pytest.mark.parametrize(
    ("cell", "path"),
    [
        ("n0.wav", "n0.wav"),
        ("./all//a.wav", "all/a.wav"),
        ("all\\a.wav", "all/a.wav"),
        (".\\all\\a.wav", "all/a.wav"),
        ("n0", "n0.wav"),
        ("all/a", "all/a.wav"),
        ("all\\a", "all/a.wav"),
        ("song.v2", "song.v2.mp3"),
        ("17", "17.ogg"),
        ("absent.wav", "absent.wav"),
        ("back\\slash.wav", "back\\slash.wav"),
    ],
)
def test_a_path_is_found(root, cell, path):
    names = ("n0.wav", "all/a.wav", "song.v2.mp3", "17.ogg", "17.json", "back\\slash.wav")
    assert files_of(root, *names).path(cell) == path


def test_absolute_paths_below_the_root_are_relative_ones(root, monkeypatch):
    files = files_of(root, "all/a.wav")
    assert files.path(str(root / "all" / "a.wav")) == "all/a.wav"
    link = root.with_name("link")
    link.symlink_to(root)
    assert ListedFiles(link).path(str(root / "all/a.wav")) == "all/a.wav"
    assert ListedFiles(link).path(str(link / "all/a.wav")) == "all/a.wav"
    monkeypatch.chdir(root.parent)
    relative = ListedFiles(type(root)("A"))
    assert relative.path(str(root / "all/a.wav")) == "all/a.wav"


@pytest.mark.parametrize(
    "cell", ["/etc/a.wav", "../a.wav", "..\\a.wav", "C:\\data\\a.wav", "\\\\disk\\a.wav", "", "."]
)
def test_paths_outside_of_the_root_are_refused(root, cell):
    with pytest.raises(InputError, match="is not inside the root"):
        files_of(root, "a.wav").path(cell)


@pytest.mark.parametrize(("written", "there"), [(NFC, NFD), (NFD, NFC), (NFC, NFC), (NFD, NFD)])
def test_both_unicode_forms_of_a_name_are_one_file(root, written, there):
    files = files_of(root, there)
    assert files.path(written) == there
    assert files.path(written.removesuffix(".wav")) == there


def test_an_id_that_fits_several_files_is_refused(root):
    files = files_of(root, "a.wav", "a.mp3", "a.txt")
    with pytest.raises(InputError, match=r"path 'a' fits several files: a\.mp3, a\.wav; write all"):
        files.path("a")


@pytest.mark.parametrize(
    ("path", "guess"),
    [
        ("N0.WAV", "n0.wav"),
        ("A/n0.wav", "n0.wav"),
        ("a.wav", "all/a.wav"),
        ("a", "all/a.wav"),
        ("other/a.wav", "all/a.wav"),
        ("n0.flac", "n0.wav"),
        ("all/drums_tak1.wav", "all/drums_take1.wav"),
        ("all/drums_take2.wav", None),
        ("x.wav", None),
    ],
)
def test_the_nearest_file_is_offered(root, path, guess):
    files = files_of(root, "n0.wav", "all/a.wav", "all/drums_take1.wav")
    with pytest.raises(InputError) as caught:
        files.check([path, "n0.wav"])
    hint = f" (did you mean {guess}?)" if guess else ""
    assert f"1 of the 2 files in the table of labels are not under {root}: {path}{hint}; corr" in (
        str(caught.value)
    )


def test_files_that_exist_pass(root):
    paths = ["n0.wav", ".hidden/a.wav"]
    files_of(root, *paths).check(paths)
    (root / "n0.wav").unlink()
    with pytest.raises(InputError, match=r"1 of the 2 files .* n0\.wav"):
        ListedFiles(root).check(paths)
