"""ESC-50 in the layout of its archive."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicssl.audio.log_mel import LogMel
from musicssl.data.checks import check_corpus
from musicssl.datasets.esc50 import ESC50, TABLE, main
from musicssl.errors import InputError
from tests.support.made_once import made_once

RATE = 4_000
FEATURES = LogMel(sample_rate=RATE, num_mels=8, n_fft=256)
CATEGORIES = {"dog": (0, True), "rooster": (1, True), "cow": (3, False), "rain": (10, True)}
CLIPS = [
    (f"{fold}-{100 * fold + target}-{take}-{target}.wav", fold, target, name, small)
    for fold in range(1, 6)
    for name, (target, small) in CATEGORIES.items()
    for take in "AB"
]


def write_table(folder: Path, clips: list[tuple[str, int, int, str, bool]] = CLIPS) -> None:
    path = folder / TABLE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "fold", "target", "category", "esc10", "src_file", "take"])
        for name, fold, target, category, small in clips:
            _, source, take, _ = name.split("-")
            writer.writerow([name, fold, target, category, small, source, take])


def write_corpus(folder: Path) -> None:
    write_table(folder, CLIPS[::-1])  # in no order of classes
    (folder / "audio").mkdir()
    rng = np.random.default_rng(0)
    for name, *_ in CLIPS:
        soundfile.write(folder / "audio" / name, rng.uniform(-0.5, 0.5, RATE + 100), RATE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return made_once(write_corpus, tmp_path / "ESC-50-master")


def made(root: Path, **settings: object) -> ESC50:
    defaults = {"root": root, "cache": root.parent / "cache", "num_workers": 1}
    return ESC50(**(defaults | {"features": FEATURES} | settings))


def test_the_corpus_is_what_the_table_says(root: Path) -> None:
    corpus = check_corpus(made(root.parent, fold=2).load())
    assert corpus.task == "multi_class"
    assert corpus.classes == ("dog", "rooster", "cow", "rain")  # in the order of their targets
    assert corpus.clip_ids.tolist() == [f"audio/{name}" for name, *_ in CLIPS[::-1]]
    for row, (_, fold, target, category, _) in enumerate(CLIPS[::-1]):
        assert corpus.classes[corpus.y[row].argmax()] == category
        assert corpus.split[row] == ("test" if fold == 2 else "train")
        assert corpus.groups[row] == str(100 * fold + target)


def test_the_smaller_corpus_is_a_part(root: Path) -> None:
    corpus = made(root, subset="esc10").load()
    assert corpus.classes == ("dog", "rooster", "rain")
    assert len(corpus.clip_ids) == 30
    with pytest.raises(InputError, match=r"dataset\.subset must be all or esc10"):
        made(root, subset="small").load()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((1, 0, "dog", False, "2-100-A-0.wav"), r"has fold '1' for 2-100-A-0\.wav, whose name"),
        ((1, 0, "dog", False, "dog.wav"), r"dog\.wav is not named like"),
        ((1, 7, "dog", False, "1-100-C-0.wav"), "has target '7' for 'dog'"),
        ((1, "9" * 5_000, "dog", False, "1-100-C-0.wav"), "has target '9{5000}' for 'dog'"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(root: Path, change, said) -> None:
    fold, target, category, small, name = change
    path = root / TABLE
    with path.open("a", newline="") as file:
        csv.writer(file).writerow([name, fold, target, category, small, 100, "A"])
    with pytest.raises(InputError, match=said):
        made(root).annotations()


def test_the_command_counts_the_clips(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(root)]) == 0
    assert "test 8" in " ".join(capsys.readouterr().out.split())
