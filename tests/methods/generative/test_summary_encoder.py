import torch
from torch import nn

from musicssl.methods.generative.vae import SummaryEncoder


def encoder(**changes):
    torch.manual_seed(0)
    settings = {"summary": "mean_std", "standardised": True, "hidden": (6, 4), "dropout": 0.5}
    return SummaryEncoder(8, 5, **settings | changes)


def test_a_clip_is_one_instance_embedded_from_its_summary():
    subject = encoder().eval()
    x = torch.randn(3, 5, 8)
    h = torch.cat([x.mean(dim=1), x.std(dim=1, correction=0)], dim=1)
    for layer in subject.layers:
        if isinstance(layer, nn.Linear):
            h = (h @ layer.weight.T + layer.bias).clamp_min(0)
    embedded, valid = subject(x)
    assert subject.embed_dim == 4
    assert valid is None
    torch.testing.assert_close(embedded, h[:, None])


def test_neither_padding_nor_the_order_of_instances_matters():
    subject = encoder().eval()
    x = torch.randn(3, 5, 8)
    expected = subject(x)[0]
    torch.testing.assert_close(subject(x[:, [3, 0, 4, 1, 2]])[0], expected)
    padded = torch.cat([x, torch.full((3, 2, 8), torch.nan)], dim=1)
    valid = (torch.arange(7) < 5).expand(3, 7)
    torch.testing.assert_close(subject(padded, valid)[0], expected)


def test_units_are_dropped_while_it_learns():
    subject, x = encoder(hidden=(1000,)), torch.randn(1, 5, 8)
    alive = (subject.eval()(x)[0] > 0).sum().item()
    kept = (subject.train()(x)[0] > 0).sum().item()
    assert 0.4 * alive < kept < 0.6 * alive
