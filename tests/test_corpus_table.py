import numpy as np

from musicssl.corpus import Corpus
from musicssl.corpus_table import corpus_table


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
