import numpy as np
import pytest
import torch
from torch import nn

from musicssl.batch import valid_instances
from musicssl.encoders.att import AttEmbedding


def embedding(**settings):
    torch.manual_seed(0)
    encoder = AttEmbedding(num_features=6, **({"dropout": 0.0} | settings)).double()
    for norm in encoder.modules():
        if isinstance(norm, nn.BatchNorm1d):  # an affine part that is not the identity
            nn.init.uniform_(norm.weight, 0.5, 2)
            nn.init.uniform_(norm.bias, -1, 1)
    return encoder


def normalised(rows, norm):
    """Batch norm of rows, (N, F), from its definition."""
    scale = norm.weight.detach().numpy() / np.sqrt(rows.var(axis=0) + norm.eps)
    return (rows - rows.mean(axis=0)) * scale + norm.bias.detach().numpy()


@pytest.mark.parametrize("num_layers", [1, 3])
def test_layers_follow_the_formula_and_add_the_raw_instance(num_layers):
    encoder = embedding(num_layers=num_layers)
    x = 5 * torch.rand(4, 3, 6, dtype=torch.float64)
    rows = x.flatten(0, 1).numpy()
    first, *others = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm1d)]
    linears = [m for m in encoder.modules() if isinstance(m, nn.Linear)]
    assert len(linears) == len(others) == num_layers
    hidden = normalised(rows, first)
    for linear, norm in zip(linears, others, strict=True):
        hidden = np.maximum(normalised(hidden @ linear.weight.detach().numpy().T, norm), 0)
    out, valid = encoder(x)
    assert valid is None
    np.testing.assert_allclose(out.detach().flatten(0, 1), hidden + rows, rtol=1e-10)


def test_padding_takes_no_part_in_batch_norm():
    """A ragged batch trains as the list of its instances, whatever the padding holds."""
    torch.manual_seed(1)
    x = torch.rand(4, 5, 6, dtype=torch.float64)
    valid = valid_instances(torch.tensor([5, 1, 3, 4]), 5)
    x[~valid] = 1e6
    padded, listed = embedding(), embedding()
    out, out_valid = padded(x, valid)
    expected, _ = listed(x[valid][None])
    torch.testing.assert_close(out[valid], expected[0])
    assert (out[~valid] == 0).all()
    assert out_valid is valid
    out.square().sum().backward()
    expected.square().sum().backward()
    for ours, theirs in zip(padded.parameters(), listed.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(padded.state_dict(), listed.state_dict())


def test_dropout_is_drawn_for_each_instance_and_only_in_training():
    encoder = embedding(dropout=0.6)
    x = torch.rand(1, 1, 6, dtype=torch.float64).expand(8, 50, 6)
    same = encoder.eval()(x)[0]
    assert torch.equal(same, same[:1, :1].expand_as(same))
    dropped = (encoder.train()(x + torch.rand_like(x))[0] - x).flatten(0, 1)
    assert len(dropped.unique(dim=0)) > 300
