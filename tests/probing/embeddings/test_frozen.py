import pytest
import torch
from torch import nn

from musicssl.probing.embeddings.extraction import frozen


def network():
    """Modes and parameters of all kinds, and dropout and a batch norm that would show a mistake."""
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
    net.train()
    net[2].eval()
    net[3].requires_grad_(False)
    return net


def modes(net):
    return [module.training for module in net.modules()]


def learning(net):
    return [parameter.requires_grad for parameter in net.parameters()]


def test_nothing_learns_meanwhile_and_all_is_as_before_afterwards():
    torch.manual_seed(0)
    net = network()
    before = modes(net), learning(net)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    x = torch.randn(8, 3)
    with frozen(net):
        assert not any(modes(net))
        assert not any(learning(net))
        assert torch.equal(net(x)[:4], net(x[:4]))
    assert (modes(net), learning(net)) == before
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    net(x)
    assert not torch.equal(net[1].running_mean, state["1.running_mean"])  # it learns again


def test_an_error_leaves_it_as_it_was():
    net = network()
    before = modes(net), learning(net)
    with pytest.raises(KeyboardInterrupt), frozen(net):
        raise KeyboardInterrupt
    assert (modes(net), learning(net)) == before
