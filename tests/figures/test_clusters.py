"""What is drawn, read back from the artists."""

import numpy as np
import pytest

from musicssl.figures.clusters import draw_clusters
from tests.support.pictures import BAD_MATH, text_beyond_the_edge


def test_rows_are_clusters_in_the_order_of_their_classes():
    values = np.array([[10.0, 70, 20], [np.nan] * 3, [60.0, 30, 10], [100.0, 0, 0]])
    figure = draw_clusters(["a", "b", "c"], np.array([10, 0, 20, 1]), values, "%", ".0f")
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), values[[2, 3, 0, 1]])
    assert [t.get_text() for t in axes.get_yticklabels()] == ["2 (20)", "3 (1)", "0 (10)", "1 (0)"]
    numbers = {text.get_position(): text.get_text() for text in axes.texts}
    assert numbers[0, 0] == "60"
    assert numbers[1, 2] == "70"
    assert (1, 1) not in numbers  # 0 and what is not defined have no number


@pytest.mark.parametrize(("num_clusters", "num_classes"), [(1, 1), (3, 50), (200, 4), (100, 128)])
def test_many_long_names_fit(num_clusters, num_classes):
    names = [f"a long name of pitch {i} with {BAD_MATH}" for i in range(num_classes)]
    rng = np.random.default_rng(0)
    values = 3 * rng.random((num_clusters, num_classes))
    figure = draw_clusters(names, rng.integers(99, size=num_clusters), values, "lift", ".1f")
    assert not text_beyond_the_edge(figure)
