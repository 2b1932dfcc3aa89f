"""Oracles: what was given, by hand. Training itself is held to a plain loop in test_mlp.py."""

import pytest
import torch

from musicssl.losses.squared_error import squared_error
from musicssl.probing.base import Embeddings
from musicssl.probing.solvers.networks import Candidate, Network, Schedule, train_together


def network(seed=0, inputs=3, hidden=5, outputs=2):
    generator = torch.Generator().manual_seed(seed)
    sizes = [(inputs, hidden), (hidden,), (hidden, outputs), (outputs,)]
    return Network(*(torch.randn(size, generator=generator) for size in sizes))


def test_outputs_are_those_of_torchs_layers_for_one_network_and_for_several():
    z, kept = torch.randn(2, 7, 3), torch.tensor([0.0, 2.0, 2.0, 0.0, 2.0]).expand(7, -1)
    both = network(0), network(1)
    together = Network(*(torch.stack(parts) for parts in zip(*both, strict=True)))
    for place, one in enumerate(both):
        hidden = torch.nn.functional.linear(z[place], one.inner.T, one.inner_bias).relu()
        for factors in (None, kept):
            scaled = hidden if factors is None else hidden * factors
            expected = torch.nn.functional.linear(scaled, one.outer.T, one.outer_bias)
            torch.testing.assert_close(one.outputs(z[place], factors), expected)
            torch.testing.assert_close(together.outputs(z, factors)[place], expected)


def test_a_candidate_keeps_its_best_epoch_and_counts_since_then():
    candidate = Candidate(network().copied(), subset=0, rate=0.1, weight_decay=0.0)
    for epoch, (loss, best, waited) in enumerate(
        [(3.0, 0, 0), (2.0, 1, 0), (2.0, 1, 1), (float("nan"), 1, 2), (1.0, 4, 0)]
    ):
        with torch.no_grad():
            candidate.network.outer_bias.fill_(epoch)
        candidate.validated(epoch, loss)
        assert (candidate.epoch, candidate.waited) == (best, waited)
        assert (candidate.best.outer_bias == best).all()
    assert candidate.loss == 1.0


class Counted:
    """The squared error, and of how many clips it was asked."""

    def __init__(self):
        self.sizes = []

    def __call__(self, outputs, y, mask):
        self.sizes.append(len(outputs))
        return squared_error(outputs, y, mask)


@pytest.mark.parametrize(
    ("num_clips", "sizes"),
    [(7, [7] * 5), (8, [8] * 5), (9, [5, 4] * 3), (50, [8] + [7] * 6)],
)
def test_an_epoch_is_whole_passes_of_five_steps_or_more_of_nearly_one_size(num_clips, sizes):
    h = torch.randn(1, num_clips, 3, generator=torch.Generator().manual_seed(0))
    y = torch.zeros(1, num_clips, 2)
    these = Embeddings(h, y, torch.ones_like(y, dtype=torch.bool))
    loss, schedule = Counted(), Schedule(epochs=1, patience=1, batch_size=8, dropout=0.0)
    candidate = Candidate(network().copied(), 0, 1e-3, 0.0)
    generator = torch.Generator().manual_seed(0)
    train_together([candidate], these, these, loss, schedule, generator)
    assert loss.sizes == [num_clips, *sizes, num_clips]  # validated before and after


def test_a_network_is_left_where_patience_ends_and_others_go_on():
    """A rate of 0 would never get better; one that is small always does."""
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(1, 40, 3, generator=generator)
    y = network(7).outputs(h)
    these = Embeddings(h, y, torch.ones_like(y, dtype=torch.bool))
    stays, learns = (Candidate(network().copied(), 0, rate, 0.0) for rate in (0.0, 1e-4))
    schedule = Schedule(epochs=9, patience=3, batch_size=8, dropout=0.0)
    train_together([stays, learns], these, these, squared_error, schedule, generator)
    assert (stays.epoch, stays.waited) == (0, 3)
    assert (learns.epoch, learns.waited) == (9, 0)
    torch.testing.assert_close(stays.best, network().copied())
