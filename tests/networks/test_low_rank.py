"""LoRA against explicit matrix products, and against the layer that it starts from."""

import copy

import pytest
import torch
from torch import nn

from musicssl.errors import InputError
from musicssl.networks.low_rank import (
    LowRank,
    add_low_rank,
    factors,
    has_low_rank,
    merge_low_rank,
    merged_state,
    unmerged_state,
)

RANK, ALPHA = 3, 6.0


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 5)
        self.point = nn.Conv2d(5, 7, 1)
        self.line = nn.Conv1d(7, 4, 1, bias=False)
        self.wide = nn.Conv1d(4, 4, 3)  # not 1 x 1
        self.grouped = nn.Conv1d(4, 4, 1, groups=2)

    def forward(self, x):  # (B, T, 8)
        h = self.linear(x).transpose(1, 2)
        h = self.point(h.unsqueeze(2)).squeeze(2)
        return self.grouped(self.wide(self.line(h)))


@pytest.fixture
def nets():
    """A network, and the same one with factors."""
    torch.manual_seed(0)
    plain = Net()
    changed = copy.deepcopy(plain)
    assert add_low_rank(changed, RANK, ALPHA) == 3
    return plain, changed


def of(layer):
    return layer.parametrizations.weight[0]


def learn(network):
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, LowRank):
                module.b.normal_()


X = torch.linspace(-2, 2, 2 * 6 * 8).view(2, 6, 8)


def test_it_starts_as_the_same_function_to_the_bit(nets):
    plain, changed = nets
    assert torch.equal(changed(X), plain(X))


def test_only_the_factors_are_trained_and_there_are_rank_times_in_plus_out_of_them(nets):
    _, changed = nets
    trained = {name: p for name, p in changed.named_parameters() if p.requires_grad}
    assert {name.rpartition(".")[2] for name in trained} == {"a", "b"}
    assert sum(p.numel() for p in trained.values()) == RANK * ((8 + 5) + (5 + 7) + (7 + 4))


def test_a_layer_adds_the_scaled_product(nets):
    plain, changed = nets
    learn(changed)
    for name, inputs in (
        ("linear", torch.randn(4, 8)),
        ("point", torch.randn(2, 5, 3, 4)),
        ("line", torch.randn(2, 7, 9)),
    ):
        layer, before = getattr(changed, name), getattr(plain, name)
        a, b = of(layer).a, of(layer).b
        matrix = before.weight.flatten(1) + ALPHA / RANK * (b @ a)  # (out, in)
        channels = inputs if name == "linear" else inputs.movedim(1, -1)
        expected = channels @ matrix.T + (0 if before.bias is None else before.bias)
        found = layer(inputs) if name == "linear" else layer(inputs).movedim(1, -1)
        torch.testing.assert_close(found, expected)


def test_the_gradient_of_b_is_that_of_the_formula(nets):
    _, changed = nets
    x, a = torch.randn(4, 8), of(changed.linear).a
    changed.linear(x).sum().backward()
    ones = torch.ones(4, 5)
    torch.testing.assert_close(of(changed.linear).b.grad, ALPHA / RANK * ones.T @ x @ a.T)
    assert of(changed.linear).a.grad.abs().sum() == 0  # B is 0
    assert changed.linear.parametrizations.weight.original.grad is None


def test_merged_it_is_the_same_function_to_the_bit_in_a_plain_network(nets):
    plain, changed = nets
    learn(changed)
    with torch.no_grad():
        expected, state = changed(X), changed.state_dict()
        merged = merged_state(changed, state)
        assert merged.keys() == plain.state_dict().keys()
        plain.load_state_dict(merged)
        assert torch.equal(plain(X), expected)
        whole = unmerged_state(merged, factors(state))
        assert whole.keys() == state.keys()
        assert all(torch.equal(whole[name], value) for name, value in state.items())
        merge_low_rank(changed)
        assert not has_low_rank(changed)
        assert torch.equal(changed(X), expected)
        torch.testing.assert_close(
            dict(changed.state_dict()), dict(plain.state_dict()), rtol=0, atol=0
        )


def test_networks_that_it_does_not_fit_are_refused():
    with pytest.raises(InputError, match=r"finetune\.lora changes linear layers.* has none"):
        add_low_rank(nn.Conv1d(4, 4, 3), 2, 2)
    with pytest.raises(InputError, match=r"finetune\.lora=6 is more than 5.*choose 1 to 5"):
        add_low_rank(nn.Linear(5, 9), 6, 6)
