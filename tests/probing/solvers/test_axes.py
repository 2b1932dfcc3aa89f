"""Oracle: what principal axes are: orthonormal, uncorrelated, and nothing of a clip is lost."""

import pytest
import torch

from musicssl.probing.solvers.axes import principal_axes


@pytest.mark.parametrize(("clips", "width"), [(40, 6), (6, 40), (7, 7), (1, 3)])
def test_features_along_the_axes_are_uncorrelated_and_say_all_of_the_clips(clips, width):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(clips, width, generator=generator, dtype=torch.float64)
    z[:, 2] = 0  # a feature that never varies
    turned, axes = principal_axes(z)
    rank = min(clips, width)
    assert (turned.shape, axes.shape) == ((clips, rank), (width, rank))
    torch.testing.assert_close(axes.T @ axes, torch.eye(rank, dtype=torch.float64))
    torch.testing.assert_close(turned @ axes.T, z)
    products = turned.T @ turned
    torch.testing.assert_close(products, products.diag().diag(), rtol=0, atol=1e-10)
