"""Oracle: what is drawn, read back from the artists of the figure, is what was given."""

import math

import numpy as np

from musicssl.probing.label_curve import CurvePoint
from musicssl.runs.artifacts import label_curve as probe_curve
from musicssl.runs.artifacts.label_curve import (
    draw_probe_curves,
    read_probe_curves,
    write_probe_curves,
)
from tests.support.pictures import PNG


def curve(*values):
    clips = [(0.01, 8), (0.1, 84), (1.0, 840)]
    return [
        CurvePoint(fraction, count, {"auroc": value, "f1": 0.1})
        for (fraction, count), value in zip(clips, values, strict=True)
    ]


CURVES = {"linear probe": curve(0.5, 0.6, 0.7), "prototypes": curve(0.55, 0.6, 0.65)}


def test_points_are_values_at_their_clips(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(probe_curve, "save_png", lambda path, figure: drawn.append(figure))
    draw_probe_curves(tmp_path, CURVES)
    [axes] = drawn[0].axes
    lines = [container[0] for container in axes.containers]
    np.testing.assert_allclose(lines[0].get_ydata().astype(float), [0.5, 0.6, 0.7])
    np.testing.assert_allclose(lines[1].get_ydata().astype(float), [0.55, 0.6, 0.65])
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["8\n1 %", "84\n10 %", "840\n100 %"]
    assert axes.get_ylabel() == "AUROC"


def test_the_picture_is_a_file(tmp_path):
    path = draw_probe_curves(tmp_path / "new", CURVES)
    assert path == tmp_path / "new" / "label_curve.png"
    assert path.read_bytes().startswith(PNG)


def test_a_table_is_read_as_it_was_written(tmp_path):
    undefined = {"one": [CurvePoint(0.01, 1, {"auroc": math.nan, "f1": 1 / 3})]}
    for curves in (CURVES, undefined):
        write_probe_curves(tmp_path / "curves.csv", curves)
        assert repr(read_probe_curves(tmp_path / "curves.csv")) == repr(curves)
