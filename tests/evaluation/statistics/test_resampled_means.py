import numpy as np

from musicssl.evaluation.statistics.resampled_means import mean_over_classes


def test_classes_that_are_not_defined_are_left_out_of_the_mean():
    nan = np.nan
    values = np.array([[[0.2, nan, nan], [0.4, 0.6, nan]]])  # K = 1, C = 2, B = 3
    np.testing.assert_allclose(mean_over_classes(values), [[0.3, 0.6, nan]])
