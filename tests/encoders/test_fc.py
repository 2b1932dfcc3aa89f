import numpy as np
import pytest
import torch
from torch import nn

from musicssl.encoders.fc import FullyConnected
from musicssl.errors import InputError


def test_layers_follow_the_formula():
    torch.manual_seed(0)
    encoder = FullyConnected(3, 4, hidden=(7, 5), dropout=0.0).double()
    x = torch.randn(6, 4, 3, dtype=torch.float64)
    hidden = x.numpy().reshape(6, 12)  # instance after instance
    for linear in (m for m in encoder.modules() if isinstance(m, nn.Linear)):
        hidden = hidden @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()
        hidden = np.where(hidden > 0, hidden, 0.01 * hidden)  # LeakyReLU
    out, valid = encoder(x)
    assert valid is None
    assert encoder.embed_dim == 5
    np.testing.assert_allclose(out.detach(), hidden[:, None], rtol=1e-10)


@pytest.mark.parametrize(
    ("num_instances", "valid"), [(9, None), (11, None), (10, torch.ones(2, 10, dtype=torch.bool))]
)
def test_clips_of_other_lengths_are_refused(num_instances, valid):
    encoder = FullyConnected(3, 10)
    with pytest.raises(InputError, match="exactly 10 instances; choose an encoder for bags"):
        encoder(torch.zeros(2, num_instances, 3), valid)


def test_dropout_acts_in_training_only():
    encoder = FullyConnected(3, 4, dropout=0.5)
    x = torch.randn(1, 4, 3).expand(50, 4, 3)
    assert (encoder.train()(x)[0] == 0).float().mean() > 0.3
    assert (encoder.eval()(x)[0] != 0).all()
