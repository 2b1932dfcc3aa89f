import numpy as np

from musicssl.figures.layers import draw_layers

CURVES = {"1 %": [0.5, 0.7, 0.6], "100 %": [0.6, 0.9, np.nan]}


def test_curves_rings_and_the_reference_are_where_the_values_are():
    chosen = {"1 %": [0, 2, 1], "100 %": [0, 1, 0]}
    figure = draw_layers(["in", "$mid$", "out"], CURVES, "AUROC", "T", chosen, (0.5, "chance"))
    [axes] = figure.axes
    drawn = {line.get_label(): line for line in axes.lines}
    for name, values in CURVES.items():
        np.testing.assert_array_equal(drawn[name].get_ydata(), values)
    assert drawn["chance"].get_ydata() == [0.5, 0.5]
    rings = [collection.get_offsets().tolist() for collection in axes.collections]
    assert rings == [[[1, 0.7], [2, 0.6]], [[1, 0.9]]]
    assert axes.get_ylabel() == "AUROC"
    assert axes.get_xlabel() == "layer; a ring: chosen on validation"


def test_weights_have_no_rings():
    figure = draw_layers(["0", "1", "2"], {"all": [0.2, 0.5, 0.3]}, "weight", "T")
    [axes] = figure.axes
    assert axes.get_xlabel() == "layer"
    assert not axes.collections
    figure.canvas.draw()
