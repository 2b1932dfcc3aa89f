"""Oracle: what answers are worth, summed clip by clip."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.evaluation.robustness_table import read_robustness
from musicssl.runs.artifacts.robustness import show_robustness, write_robustness
from tests.support.tiny_sound import TinySound

CREDIT = np.array([[1, 0.5, 0], [0.2, 1, 0.3], [0, 0, 1]], np.float32)


@dataclass(frozen=True)
class Keys(TinySound):
    """Sound of which each clip has one class, and near misses are worth something."""

    credit: np.ndarray | None = None

    def load(self):
        corpus = super().load()
        y = np.eye(3, dtype=np.float32)[np.arange(len(corpus.y)) % 3]
        return replace(corpus, y=y, task="multi_class", credit=self.credit)


class Pitch:
    """Answers by which of three samples is the greatest."""

    def scores(self, batch):
        return batch.x[:, 100:400:100].softmax(dim=1)


class Reversed:
    of_sound = True

    def __init__(self, severity):
        self.severity = severity

    def __call__(self, x, lengths=None):
        return -self.severity * x


@dataclass(frozen=True)
class Folder:
    path: Path

    @property
    def robustness(self):
        return self.path / "robustness.csv"

    @property
    def figures(self):
        return self.path


def data(credit):
    datamodule = SemiSupervisedDataModule(Keys(credit=credit), p_s=1.0, b_s=None, batch_size=4)
    datamodule.setup()
    return datamodule


def write(folder, credit, severities=(1.0,)):
    write_robustness(folder, data(credit), Pitch(), {"reversed": Reversed}, severities)
    return read_robustness(folder.robustness)


def earned(change):
    """Mean credit of the answers to changed sound."""
    corpus = Keys().load()
    rows = np.flatnonzero(corpus.split == "test")
    x = corpus.x.read(rows, np.zeros(len(rows), np.int64), 3200)
    answers = change(x)[:, 100:400:100].argmax(axis=1)
    pairs = zip(answers, rows % 3, strict=True)
    return np.mean([CREDIT[answer, truth] for answer, truth in pairs])


def test_what_answers_are_worth_is_measured_under_corruptions(tmp_path, capsys):
    folder = Folder(tmp_path)
    table = write(folder, CREDIT)
    assert table.clean["weighted_accuracy"] == pytest.approx(earned(lambda x: x))
    harmed = table.judged["reversed", 1.0]
    assert harmed["weighted_accuracy"] == pytest.approx(earned(lambda x: -x))
    assert harmed["weighted_accuracy"] != harmed["accuracy"]
    show_robustness(folder, Console(width=200))
    clean = f"weighted accuracy of clean clips {table.clean['weighted_accuracy']:.3f}; "
    assert capsys.readouterr().out.startswith(clean)


def test_a_corpus_without_credit_has_plain_accuracy(tmp_path):
    table = write(Folder(tmp_path), None)
    assert "accuracy" in table.clean
    assert "weighted_accuracy" not in table.clean


def test_a_table_that_was_begun_without_credit_goes_on_without(tmp_path):
    folder = Folder(tmp_path)
    before = write(folder, None)
    after = write(folder, CREDIT, severities=(1.0, 2.0))
    assert after.clean == before.clean
    assert after.judged["reversed", 1.0] == before.judged["reversed", 1.0]
    assert after.judged["reversed", 2.0].keys() == before.clean.keys()
