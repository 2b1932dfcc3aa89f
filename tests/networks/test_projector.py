import pytest
import torch
from torch import nn

from musicssl.errors import InputError
from musicssl.networks.projector import Projector


def test_the_default_is_the_published_head():
    """512-512-128 without biases: 2,761,856 - 2,434,176 parameters of the published model."""
    projector = Projector(512)
    assert sum(p.numel() for p in projector.parameters()) == 2_761_856 - 2_434_176
    h = torch.randn(5, 512)
    first, _, last = projector
    torch.testing.assert_close(projector(h), (h @ first.weight.T).clamp_min(0) @ last.weight.T)


def test_layers_follow_the_settings():
    projector = Projector(6, hidden=10, out_dim=3, num_hidden=2, batch_norm=True)
    kinds = [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    assert [type(layer) for layer in projector] == kinds
    assert projector(torch.randn(4, 6)).shape == (4, 3)


def test_without_hidden_layers_it_is_linear():
    projector = Projector(6, out_dim=3, num_hidden=0)
    a, b = torch.randn(2, 4, 6)
    torch.testing.assert_close(projector(a + 2 * b), projector(a) + 2 * projector(b))


@pytest.mark.parametrize("sizes", [{"hidden": 0}, {"out_dim": 0}, {"num_hidden": -1}])
def test_invalid_sizes_are_refused(sizes):
    with pytest.raises(InputError, match="must be 1 or more"):
        Projector(6, **sizes)


def test_a_single_embedding_cannot_train_a_batch_norm():
    projector = Projector(6, hidden=10, out_dim=3, batch_norm=True)
    with pytest.raises(InputError, match=r"single clip of one instance"):
        projector(torch.rand(1, 6))
    assert projector.eval()(torch.rand(1, 6)).shape == (1, 3)
