"""Instances that read each other, and classes that do."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import layer_norm

from musicssl.batch import valid_instances
from musicssl.errors import InputError
from musicssl.losses.masked_bce import masked_bce
from musicssl.networks.pooling import (
    AttentionPooling,
    AutoPooling,
    ClassCorrelation,
    GatedAttentionPooling,
    MaxPooling,
    MeanPooling,
    TransformerPooling,
    sinusoids,
)

POOLINGS = [
    *(MeanPooling, MaxPooling, AttentionPooling, GatedAttentionPooling),
    *(AutoPooling, TransformerPooling),
]


def built(**settings):
    torch.manual_seed(0)
    module = TransformerPooling(8, 3, num_heads=2, **settings).double().eval()
    for name, parameter in module.named_parameters():
        if "norm" not in name:
            nn.init.normal_(parameter, std=0.5)
    return module


def bags(num_clips=3, num_instances=5):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(num_clips, num_instances, 8, dtype=torch.float64, generator=generator)


def normed(norm, x):
    return layer_norm(x, (8,), norm.weight, norm.bias, norm.eps)


def by_hand(module, h):
    """Of one clip, (T, D): each head and position of each layer by itself."""
    x = torch.cat([module.token[0], h])
    for layer in module.encoder.layers:
        seen, attention = normed(layer.norm1, x), layer.self_attn
        q, k, v = (seen @ attention.in_proj_weight.T + attention.in_proj_bias).split(8, dim=1)
        heads = []
        for part in (slice(0, 4), slice(4, 8)):
            rows = []
            for t in range(len(x)):
                weights = [(q[t, part] @ k[u, part] / 2).exp() for u in range(len(x))]
                rows.append(sum(w * v[u, part] for u, w in enumerate(weights)) / sum(weights))
            heads.append(torch.stack(rows))
        x = x + attention.out_proj(torch.cat(heads, dim=1))
        x = x + layer.linear2(layer.linear1(normed(layer.norm2, x)).relu())
    x = normed(module.encoder.norm, x)
    token, z = module.query(x[0]), x[1:]
    weights = [(token @ module.key(instance) / math.sqrt(8)).exp() for instance in z]
    return module.classifier(sum(w * i for w, i in zip(weights, z, strict=True)) / sum(weights))


def test_it_follows_the_formulas():
    module, h = built(), bags()
    expected = torch.stack([by_hand(module, clip) for clip in h])
    torch.testing.assert_close(module(h), expected)


def test_padding_does_not_change_logits():
    module, h = built(), bags()
    lengths = [5, 1, 3]
    valid = valid_instances(torch.tensor(lengths), 5)
    h[~valid] = math.nan
    expected = [by_hand(module, clip[:n]) for clip, n in zip(h, lengths, strict=True)]
    torch.testing.assert_close(module(h, valid), torch.stack(expected))
    instances = module.instances(h, valid)
    weights = instances.log_weights.exp()
    assert (weights[~valid] == 0).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3, 3, dtype=torch.float64))


def test_padding_does_not_change_gradients():
    module, gradients = built(), []
    for filling in (0.0, 1e4):
        h, valid = bags(), valid_instances(torch.tensor([5, 1, 3]), 5)
        h[~valid] = filling
        module.zero_grad()
        module(h, valid).square().sum().backward()
        gradients.append([p.grad.clone() for p in module.parameters() if p.grad is not None])
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("positions", [False, True])
def test_the_order_of_instances_counts_with_positions_only(positions):
    module, h = built(positions=positions), bags()
    shuffled = module(h[:, [3, 0, 4, 1, 2]])
    assert torch.allclose(shuffled, module(h)) != positions


def test_positions_are_those_of_the_formula():
    found = sinusoids(7, 6)
    for t in range(7):
        for i in range(3):
            angle = t / 10_000 ** (2 * i / 6)
            assert found[t, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert found[t, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)
    assert sinusoids(3, 5).shape == (3, 5)


def test_the_logits_of_an_instance_depend_on_the_other_instances():
    module, h = built(), bags()
    before = module.instances(h).logits
    h[:, 4, 0] += 1
    assert not torch.allclose(module.instances(h).logits[:, 0], before[:, 0])


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(InputError, match=r"pooling\.num_heads=3 does not divide the 8 values"):
        TransformerPooling(8, 3, num_heads=3)


def test_it_has_the_sizes_of_a_transformer():
    """Two layers on the 128 values of ATT, counted by hand."""
    d, classes = 128, 20
    layer = 4 * (d * d + d) + (d + 1) * 2 * d + (2 * d + 1) * d + 4 * d
    total = 2 * layer + 2 * d + d + 2 * (d * d + d) + (d + 1) * classes
    assert sum(p.numel() for p in TransformerPooling(d, classes).parameters()) == total


@pytest.mark.parametrize("kind", POOLINGS, ids=lambda kind: kind.__name__)
def test_correlated_classes_change_nothing_at_first(kind):
    """To the bit, and with the same weights."""
    torch.manual_seed(0)
    plain = kind(8, 3).eval()
    torch.manual_seed(0)
    correlated = kind(8, 3, correlated=True).eval()
    missing, unexpected = correlated.load_state_dict(plain.state_dict(), strict=False)
    assert {*missing} == {"correlation.others.weight", "correlation.others.bias"}
    assert not unexpected
    h = bags().float()
    assert torch.equal(plain(h), correlated(h))


def test_correlation_is_a_linear_map_of_the_logits():
    torch.manual_seed(0)
    module = ClassCorrelation(3)
    nn.init.normal_(module.others.weight)
    nn.init.normal_(module.others.bias)
    logits = torch.randn(4, 3)
    weight = torch.eye(3) + module.others.weight
    torch.testing.assert_close(module(logits), logits @ weight.T + module.others.bias)


def test_a_class_without_labels_is_an_input_of_the_correlation_and_no_output():
    torch.manual_seed(0)
    module, logits = ClassCorrelation(3), torch.randn(6, 3)
    mask = torch.ones(6, 3, dtype=torch.bool)
    mask[:, 2] = False
    masked_bce(module(logits), (torch.rand(6, 3) < 0.5).float(), mask).backward()
    assert not module.others.weight.grad[2].any()
    assert module.others.weight.grad[:2, 2].all()


def test_it_can_start_at_log_odds():
    module, log_odds = built(start="prior"), torch.tensor([-2.0, 0.5, 1.0], dtype=torch.float64)
    module.start_at(log_odds)
    torch.testing.assert_close(module(bags()), log_odds.expand(3, 3))
