"""Stacked networks against as many single ones of torch."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import linear, one_hot, relu

from musicssl.methods.generative.labelwise import ConditionedMLP, StackedLinear, StackedMLP

M, K, B = 4, 3, 5


def stacked(module):
    torch.manual_seed(0)
    return module()


def as_torch(layer: StackedLinear, model: int) -> nn.Linear:
    single = nn.Linear(layer.weight.shape[1], layer.weight.shape[2])
    with torch.no_grad():
        single.weight.copy_(layer.weight[model].T)
        single.bias.copy_(layer.bias[model, 0])
    return single


def test_a_stacked_layer_is_as_many_layers_of_torch_outputs_and_gradients():
    layer = stacked(lambda: StackedLinear(M, 6, 7))
    x = torch.randn(M, B, 6, requires_grad=True)
    outputs, weigh = layer(x), torch.randn(M, B, 7)
    (weigh * outputs).sum().backward()
    for model in range(M):
        single, rows = as_torch(layer, model), x[model].detach().requires_grad_()
        (weigh[model] * single(rows)).sum().backward()
        torch.testing.assert_close(outputs[model], single(rows))
        torch.testing.assert_close(x.grad[model], rows.grad)
        torch.testing.assert_close(layer.weight.grad[model], single.weight.grad.T)
        torch.testing.assert_close(layer.bias.grad[model, 0], single.bias.grad)


def test_weights_begin_like_those_of_torch_and_differ_from_model_to_model():
    """Uniform between -1 and 1 over the root of the number of inputs, whatever M is."""
    layer, torchs = stacked(lambda: StackedLinear(50, 64, 40)), nn.Linear(64, 2000)
    for ours, theirs in ((layer.weight, torchs.weight), (layer.bias, torchs.bias)):
        assert ours.abs().max() <= 1 / math.sqrt(64)
        quantiles = torch.linspace(0.05, 0.95, 10)
        torch.testing.assert_close(
            ours.flatten().quantile(quantiles),
            theirs.flatten().quantile(quantiles),
            rtol=0,
            atol=0.01,
        )
    assert len(layer.weight.flatten(1).unique(dim=0)) == 50


def networks():
    return {
        "linear": (StackedLinear(M, 6, 7), lambda net, x: net(x)),
        "mlp": (StackedMLP(M, (6, 8, 7)), lambda net, x: net(x)),
        "given": (ConditionedMLP(M, K, (6, 8, 9), 7), lambda net, x: net.given(x, values())),
        "each": (ConditionedMLP(M, K, (6, 8, 9), 7), lambda net, x: net.each(x)),
    }


def values():
    return torch.arange(M * B).view(M, B) % K


@pytest.mark.parametrize("name", ["linear", "mlp", "given", "each"])
def test_nothing_of_a_model_depends_on_what_another_reads_or_weighs(name):
    torch.manual_seed(0)
    network, apply = networks()[name]
    x = torch.randn(M, B, 6)

    def of_the_first(x):
        network.zero_grad()
        outputs = apply(network, x)
        outputs.square().sum().backward()
        return [outputs[0].detach(), *(p.grad[0].clone() for p in network.parameters())]

    before = of_the_first(x)
    assert all(part.abs().sum() > 0 for part in before)
    other = x.clone()
    other[3] = 100 * torch.randn(B, 6)
    with torch.no_grad():
        for p in network.parameters():
            p[3] = torch.randn_like(p[3])
    for ours, theirs in zip(of_the_first(other), before, strict=True):
        assert torch.equal(ours, theirs)


def test_a_stack_has_a_rectifier_after_every_layer():
    network = stacked(lambda: StackedMLP(M, (6, 8, 7)))
    x = torch.randn(M, B, 6)
    for model in range(M):
        expected = x[model]
        for layer in network.layers:
            expected = relu(as_torch(layer, model)(expected))
        torch.testing.assert_close(network(x)[model], expected)
    assert torch.equal(StackedMLP(M, (6,))(x), x)


def test_each_model_drops_units_of_its_own():
    network = stacked(lambda: StackedMLP(M, (6, 500), dropout=0.4)).train()
    x = torch.ones(M, 1, 6)
    with torch.no_grad():
        network.layers[0].bias.fill_(10.0)  # no unit is 0 by itself
        dropped = network(x) == 0  # (M, 1, 500)
        assert not (network.eval()(x) == 0).any()
    shares = dropped.float().mean(dim=-1)
    assert (shares - 0.4).abs().max() < 0.1
    assert len(dropped.flatten(1).unique(dim=0)) == M


def by_hand(network: ConditionedMLP, model: int, row: torch.Tensor, value: int) -> torch.Tensor:
    """Read one vector joined with its one-hot value, as the definition has it."""
    joined = torch.cat([row, one_hot(torch.tensor(value), K).float()])
    weight = torch.cat([network.of_vector.weight[model], network.of_value[model]])
    h = relu(linear(joined, weight.T, network.of_vector.bias[model, 0]))
    for layer in network.rest.layers:
        h = relu(as_torch(layer, model)(h))
    return as_torch(network.last, model)(h)


@pytest.mark.parametrize("widths", [(6, 8), (6, 8, 9)])
def test_a_value_is_read_as_one_hot_numbers_beside_the_vector(widths):
    network = stacked(lambda: ConditionedMLP(M, K, widths, 7))
    x = torch.randn(M, B, 6)
    found = network.given(x, values())
    for model in range(M):
        for b in range(B):
            expected = by_hand(network, model, x[model, b], int(values()[model, b]))
            torch.testing.assert_close(found[model, b], expected)


@pytest.mark.parametrize("of_each_value", [False, True])
def test_every_value_at_once_is_each_value_by_itself(of_each_value):
    """K and B differ: a view in another order would scramble them."""
    network = stacked(lambda: ConditionedMLP(M, K, (6, 8, 9), 7))
    x = torch.randn(M, K, B, 6) if of_each_value else torch.randn(M, B, 6)
    found = network.each(x)
    assert found.shape == (M, K, B, 7)
    for value in range(K):
        rows = x[:, value] if of_each_value else x
        expected = network.given(rows, torch.full((M, B), value))
        torch.testing.assert_close(found[:, value], expected)
    assert (found[:, 0] - found[:, 1]).abs().mean() > 0.01
