"""Oracle: torchvision's rule, the first folder below the root, written as a loop over a folder."""

from pathlib import Path
from unicodedata import normalize

import pytest

from musicssl.datasets.formats.class_folders import folder_labels
from musicssl.errors import InputError

ROOT = Path("/my/audio")


def test_the_first_folder_is_the_class_and_files_in_the_root_have_none(tmp_path):
    names = ["piano/a.wav", "piano/take 2/b.wav", "flute/piano/c.wav", "d.wav"]
    expected = {"d.wav": ()}
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for folder in filter(Path.is_dir, tmp_path.iterdir()):
        for file in filter(Path.is_file, folder.rglob("*")):
            expected[file.relative_to(tmp_path).as_posix()] = (folder.name,)
    table = folder_labels(tmp_path, names)
    assert table.labels == expected
    assert table.split is table.group is table.fold is None


def test_names_of_classes_are_in_one_unicode_form():
    paths = [normalize("NFD", "Flöte/a.wav"), "piano/b.wav"]
    labels = folder_labels(ROOT, paths).labels
    assert labels[paths[0]] == (normalize("NFC", "Flöte"),)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], r"directly in /my/audio, but there is none"),
        (["a.wav"], r"but there is none; set data\.root to the folder that holds those of the"),
        (["audio/piano/a.wav", "audio/flute/b.wav"], r"only 'audio'; .* such as /my/audio/audio\."),
        (["train/piano/a.wav", "test/flute/b.wav"], r"are those of splits \(test, train\), not of"),
    ],
)
def test_folders_that_are_no_classes_are_refused(paths, message):
    with pytest.raises(InputError, match=message):
        folder_labels(ROOT, paths)
