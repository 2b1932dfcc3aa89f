"""The picture of thresholds shows the classes whose share is known, and r."""

import numpy as np
from matplotlib.figure import Figure

from musicssl.figures import threshold_study


def test_a_dot_for_each_known_class(tmp_path, monkeypatch):
    kept: list[Figure] = []
    monkeypatch.setattr(threshold_study, "save_png", lambda path, figure: kept.append(figure))
    shares = np.array([0.1, np.nan, 0.4])
    threshold_study.draw_threshold_study(tmp_path, "abc", np.array([0.2, 0.5, 0.3]), shares, 0.9)
    (axes,) = kept[0].axes
    np.testing.assert_allclose(axes.collections[0].get_offsets(), [[0.1, 0.2], [0.4, 0.3]])
    assert [text.get_text() for text in axes.texts] == ["a", "c"]
    assert "r = 0.90" in axes.get_title()


def test_names_are_moved_apart_and_stay_in_order():
    apart = np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(threshold_study.spread(apart, 0.1), apart, rtol=1e-12)
    crowded = np.array([0.0, 0.5, 0.5, 0.5, 1.0, 1.0])
    moved = threshold_study.spread(crowded, 0.15)
    assert (np.diff(moved) >= 0.15 - 1e-12).all()
    assert 0 <= moved.min() <= moved.max() <= 1
    assert moved[0] == 0
