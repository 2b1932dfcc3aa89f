"""Oracle: scikit-learn's confusion matrix; what is drawn, read back from the artists."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from musicssl.figures.confusion import confusion_shares, draw_confusion
from musicssl.figures.style import save_png
from tests.support.pictures import BAD_MATH, PNG, text_beyond_the_edge


def answers(num_classes, num_clips=200):
    rng = np.random.default_rng(0)
    truth = rng.integers(num_classes, size=num_clips)
    return truth, np.where(rng.random(num_clips) < 0.5, truth, rng.permutation(truth))


def test_rows_are_truth_and_columns_answers():
    truth, answered = answers(5)
    expected = confusion_matrix(truth, answered, normalize="true")
    np.testing.assert_allclose(confusion_shares(truth, answered, 5), expected)


def test_a_class_without_a_clip_has_no_shares():
    shares = confusion_shares(np.array([0, 0, 2]), np.array([0, 1, 2]), 3)
    np.testing.assert_array_equal(shares, [[0.5, 0.5, 0], [np.nan] * 3, [0, 0, 1]])


def test_shares_are_drawn_in_per_cent():
    truth, answered = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    axes, _ = draw_confusion(["a", "b"], truth, answered, "title").axes
    np.testing.assert_allclose(axes.images[0].get_array(), [[200 / 3, 100 / 3], [0, 100]])
    numbers = {text.get_position(): text.get_text() for text in axes.texts}
    assert numbers == {(0, 0): "67", (1, 0): "33", (1, 1): "100"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a (3)", "b (1)"]


@pytest.mark.parametrize("num_classes", [2, 24, 128])
def test_many_long_names_fit(num_classes):
    names = [f"a long name of pitch {i} with {BAD_MATH}" for i in range(num_classes)]
    figure = draw_confusion(names, *answers(num_classes), "title")
    assert not text_beyond_the_edge(figure)


def test_the_picture_is_a_file(tmp_path):
    path = save_png(
        tmp_path / "new" / "confusion.png", draw_confusion(["a", "b"], *answers(2), "title")
    )
    assert path.read_bytes().startswith(PNG)
