"""The reliability diagram shows what it was given."""

import numpy as np

from musicssl.evaluation.decisions import Reliability
from musicssl.figures.reliability import draw_reliability, reliability_diagram


def test_points_of_bins_that_hold_cells(tmp_path):
    predicted, observed = np.array([0.1, np.nan, 0.9]), np.array([0.2, np.nan, 0.7])
    curve = Reliability(predicted, observed, np.array([30, 0, 10]))
    above, below = reliability_diagram({"as predicted": curve}).axes
    x, y = above.lines[1].get_data()
    assert (x == [0.1, 0.9]).all()
    assert (y == [0.2, 0.7]).all()
    assert above.lines[1].get_label() == "as predicted, mean error 0.125"
    assert below.patches[0].get_data().values.tolist() == [30, 0, 10]
    assert draw_reliability(tmp_path / "new", {"a": curve}).stat().st_size > 1000
