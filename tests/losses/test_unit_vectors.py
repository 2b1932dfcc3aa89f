import pytest
import torch
from torch.nn.functional import normalize

from musicssl.losses.unit_vectors import unit_vectors


@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 3)])
def test_agrees_with_pytorch_in_value_and_gradient(shape):
    z = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(unit_vectors, z.requires_grad_())
    torch.testing.assert_close(unit_vectors(z), normalize(z, dim=-1))


def test_zeros_stay_zeros_and_have_a_gradient_of_ordinary_size():
    z = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    unit = unit_vectors(z)
    assert unit.tolist() == [[0, 0], [pytest.approx(0.6), pytest.approx(0.8)]]
    unit.sum().backward()
    assert z.grad[0].tolist() == [1, 1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_lifted(dtype):
    z = torch.full((1, 4096), 200.0, dtype=dtype)  # the sum of squares is beyond float16
    assert unit_vectors(z).dtype == torch.float32
    torch.testing.assert_close(unit_vectors(z), torch.full((1, 4096), 1 / 64))
