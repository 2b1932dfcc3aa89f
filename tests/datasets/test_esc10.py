"""ESC-10 in its published layout, and the real corpus where it is at hand."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicssl.audio.log_mel import LogMel
from musicssl.data.checks import check_corpus
from musicssl.datasets.esc10 import CLASSES, ESC10, main
from musicssl.errors import InputError

RATE = 4_000
FEATURES = LogMel(sample_rate=RATE, num_mels=8, n_fft=256)
TAKES = [
    (fold, 100 * fold + source, take)
    for fold in range(1, 6)
    for source, take in [(0, "A"), (0, "B"), (1, "A")]
]


def write_corpus(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for number, name in enumerate(CLASSES, 1):
        inside = folder / f"{number:03d} - {name.capitalize()}"
        inside.mkdir(parents=True)
        for fold, source, take in TAKES:
            path = inside / f"{fold}-{1000 * number + source}-{take}.ogg"
            soundfile.write(path, rng.uniform(-0.5, 0.5, RATE + 100), RATE)


def made(root: Path, **settings: object) -> ESC10:
    defaults = {"root": root, "cache": root.parent / "cache", "num_workers": 1}
    return ESC10(**(defaults | {"features": FEATURES} | settings))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus that no test changes."""
    folder = tmp_path_factory.mktemp("corpus") / "ESC-10"
    write_corpus(folder)
    return folder


def test_folders_are_classes_and_names_hold_fold_and_source(root: Path) -> None:
    corpus = check_corpus(made(root, fold=4).load())
    assert corpus.task == "multi_class"
    assert corpus.classes == CLASSES
    assert len(corpus.clip_ids) == 10 * len(TAKES)
    for row, path in enumerate(corpus.clip_ids):
        folder, file = path.split("/")
        fold, source, _ = file.split("-")
        assert CLASSES[corpus.y[row].argmax()] == folder.partition(" - ")[2].lower()
        assert corpus.y[row].sum() == 1
        assert corpus.split[row] == ("test" if fold == "4" else "train")
        assert corpus.groups[row] == source
    assert corpus.mask.all()


def test_folds_are_disjoint_by_source_and_cover_all_clips(root: Path) -> None:
    tested: list[str] = []
    for fold in range(1, 6):
        corpus = made(root, fold=fold).load()
        test = corpus.split == "test"
        assert not set(corpus.groups[test]) & set(corpus.groups[~test])
        tested += corpus.clip_ids[test].tolist()
    assert sorted(tested) == sorted(corpus.clip_ids.tolist())


def test_folders_may_be_named_after_the_classes_alone(root: Path, tmp_path: Path) -> None:
    for folder in root.iterdir():
        word = folder.name.partition(" - ")[2].replace(" ", "_")
        shutil.copytree(folder, tmp_path / "copy" / "audio" / word)
    found, expected = made(tmp_path / "copy").load(), made(root).load()
    assert [path.rpartition("/")[2] for path in found.clip_ids] == [
        path.rpartition("/")[2] for path in expected.clip_ids
    ]
    assert np.array_equal(found.y, expected.y)


@pytest.mark.parametrize("fold", [0, 6, True])
def test_a_fold_that_does_not_exist_is_refused(root: Path, fold: int) -> None:
    with pytest.raises(InputError, match=r"dataset\.fold must be a whole number from 1 to 5"):
        made(root, fold=fold).load()


def test_a_missing_class_and_a_strange_name_are_reported(root: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(root, tmp_path / "ESC-10"))
    strange = root / "002 - Rain" / "rain.ogg"
    strange.write_bytes(b"")
    with pytest.raises(InputError, match=r"rain\.ogg is not named like 1-100032-A"):
        made(root).annotations()
    strange.unlink()
    for file in (root / "009 - Rooster").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="009 - Rooster is missing or has no clip; download it"):
        made(root).annotations()


def test_the_command_counts_the_clips(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(root), "--fold", "2"]) == 0
    printed = capsys.readouterr().out
    assert "test 30" in " ".join(printed.split())
    assert "sea waves" in printed


def test_the_real_corpus_is_its_table(shared_data: Path) -> None:
    """Oracle: the table of the copy, which was not made by this code."""
    root = shared_data / "esc10"
    with (root / "labels.csv").open(newline="") as file:
        table = {line["path"]: line for line in csv.DictReader(file)}
    found = made(root, fold=5).annotations()
    assert len(found.paths) == len(table) == 400
    assert found.y.sum(axis=0).tolist() == [40] * 10
    for row, path in enumerate(found.paths):
        line = table[path]
        assert CLASSES[found.y[row].argmax()] == line["label"].replace("_", " ").lower()
        assert line["group"].endswith(f"-{found.groups[row]}")
        assert (found.split[row] == "test") == (line["fold"] == "5")
    assert len(set(found.groups)) == len({line["group"] for line in table.values()})
