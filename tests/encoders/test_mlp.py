from itertools import pairwise

import numpy as np
import torch
from torch import nn

from musicssl.encoders.mlp import MLP


def small():
    torch.manual_seed(0)
    return MLP(hidden=(5, 4), dropout=0.0).eval()


def test_parameters_follow_from_the_layers():
    widths = [128 * 50, 512, 512, 128]
    linear = sum((of + 1) * to for of, to in pairwise(widths))
    assert sum(p.numel() for p in MLP().parameters()) == linear == 3_605_632


def test_an_instance_is_a_second_and_hears_no_other():
    encoder = small()
    x = 0.1 * torch.randn(2, 10 * 16_000)
    before, valid = encoder(x)
    assert valid is None
    assert before.shape == (2, 10, 4)
    x[0, :16_000] *= 0.1
    changed = (encoder(x)[0] != before).any(dim=2)
    assert changed.nonzero().tolist() == [[0, 0]]


def test_layers_follow_the_formula():
    encoder = small().double()
    spectra = torch.randn(3, 1, 128, 50, dtype=torch.float64)
    hidden = spectra.numpy().reshape(3, -1)
    for linear in (m for m in encoder.modules() if isinstance(m, nn.Linear)):
        weight, bias = (t.detach().numpy() for t in (linear.weight, linear.bias))
        hidden = np.maximum(hidden @ weight.T + bias, 0)
    out = encoder.embed_spectra(spectra).detach().numpy()
    np.testing.assert_allclose(out, hidden[:, None], rtol=1e-10, atol=1e-12)
    assert (out > 0).any()
