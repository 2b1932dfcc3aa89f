import copy
from functools import partial

import torch

from musicssl.encoders.att import AttEmbedding
from musicssl.methods.pi_model import PiModel
from tests.support.semi_supervised import mixed_batch
from tests.support.training import UNCHANGED, semi_supervised_parts


def method(**changes):
    torch.manual_seed(0)
    return PiModel(**semi_supervised_parts(**changes)).train()


def test_without_noise_there_is_nothing_to_learn():
    quiet = method(views=UNCHANGED, encoder=partial(AttEmbedding, dropout=0.0))
    assert quiet.step(mixed_batch()).consistency.item() == 0
    assert method(views=UNCHANGED).step(mixed_batch()).consistency.item() > 0


def test_the_gradient_goes_through_both_views():
    """It is the sum of the gradients with either view held still, and these differ."""
    subject, batch = method(), mixed_batch()
    torch.manual_seed(1)
    subject.step(batch).consistency.backward()
    whole = [p.grad for p in subject.classifier.parameters()]
    sides = []
    for held in (0, 1):
        network = copy.deepcopy(method().classifier)
        torch.manual_seed(1)
        answers = [
            network(batch.augmented(view)).sigmoid()
            for view in (subject.views.student, subject.views.target)
        ]
        answers[held] = answers[held].detach()
        (answers[0] - answers[1]).square().mean().backward()
        sides.append([p.grad for p in network.parameters()])
    for total, one, other in zip(whole, *sides, strict=True):
        torch.testing.assert_close(total, one + other)
    last = [side[-1] for side in sides]
    assert not torch.allclose(*last)
