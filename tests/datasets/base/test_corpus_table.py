import numpy as np

from musicssl.data.corpus import Corpus
from musicssl.datasets.base.command import corpus_table


def test_counts_are_of_observed_cells_and_empty_splits_are_left_out() -> None:
    corpus = Corpus(
        name="toy",
        classes=("piano", "voice"),
        x=np.zeros((4, 1, 1), dtype=np.float32),
        y=np.array([[1, 1], [0, 1], [0.5, 0], [1, 1]], dtype=np.float32),
        mask=np.array([[True, False], [True, True], [True, False], [False, True]]),
        split=np.array(["train", "train", "train", "test"]),
        clip_ids=np.array(list("abcd")),
    )
    table = corpus_table(corpus)
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert columns == {
        "class": ["piano", "voice", "all"],
        "observed\ntrain 3": ["3", "1", "4"],
        "present\ntrain 3": ["2", "1", "3"],
        "observed\ntest 1": ["0", "1", "1"],
        "present\ntest 1": ["0", "1", "1"],
    }


def test_values_of_a_regression_have_a_range_and_a_mean() -> None:
    corpus = Corpus(
        name="toy",
        classes=("arousal", "valence"),
        x=np.zeros((4, 1, 1), dtype=np.float32),
        y=np.array([[-0.5, 9], [0.25, 9], [1, 0.125], [2, 9]], dtype=np.float32),
        mask=np.array([[True, False], [True, False], [True, True], [True, False]]),
        split=np.array(["train", "train", "train", "test"]),
        clip_ids=np.array(list("abcd")),
        task="regression",
    )
    columns = {str(column.header): list(column.cells) for column in corpus_table(corpus).columns}
    assert columns == {
        "class": ["arousal", "valence", "all"],
        "observed\ntrain 3": ["3", "1", "4"],
        "least\ntrain 3": ["-0.5", "0.125", ""],
        "mean\ntrain 3": ["0.25", "0.125", ""],
        "greatest\ntrain 3": ["1", "0.125", ""],
        "observed\ntest 1": ["1", "0", "1"],
        "least\ntest 1": ["2", "–", ""],
        "mean\ntest 1": ["2", "–", ""],
        "greatest\ntest 1": ["2", "–", ""],
    }
