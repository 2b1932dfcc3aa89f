import numpy as np
import torch
from torch import nn

from musicssl.batch import valid_instances
from musicssl.encoders.fc_t import FullyConnectedPerInstance


def test_layers_follow_the_formula_and_add_the_instance():
    torch.manual_seed(0)
    encoder = FullyConnectedPerInstance(5, dropout=0.0).double()
    x = torch.randn(3, 4, 5, dtype=torch.float64)
    hidden = x.numpy()
    for linear in (m for m in encoder.modules() if isinstance(m, nn.Linear)):
        hidden = hidden @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()
        hidden = np.where(hidden > 0, hidden, 0.01 * hidden)  # LeakyReLU
    np.testing.assert_allclose(encoder(x)[0].detach(), hidden + x.numpy(), rtol=1e-10)


def test_an_instance_is_embedded_alike_in_any_company():
    torch.manual_seed(0)
    encoder = FullyConnectedPerInstance(5, dropout=0.0)
    x = torch.randn(3, 4, 5)
    valid = valid_instances(torch.tensor([4, 1, 2]), 4)
    out, out_valid = encoder(x, valid)
    assert out_valid is valid
    for clip, place in valid.nonzero().tolist():
        alone, _ = encoder(x[clip, place][None, None])
        torch.testing.assert_close(out[clip, place], alone[0, 0])
