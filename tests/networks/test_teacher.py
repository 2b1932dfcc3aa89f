import copy
from functools import partial

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from musicssl.batch import Batch
from musicssl.encoders.att import AttEmbedding
from musicssl.encoders.gru import GRUEncoder
from musicssl.errors import InputError
from musicssl.networks.classifier import Classifier
from musicssl.networks.pooling import AttentionPooling
from musicssl.networks.teacher import Teacher

NOISY_ATT = partial(AttEmbedding, dropout=0.5)


def student(encoder=NOISY_ATT):
    torch.manual_seed(0)
    return Classifier(encoder, AttentionPooling, num_features=8, num_instances=5, num_classes=3)


def clips(seed=1, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(16, 5, 8, generator=generator) + shift
    return Batch(x, torch.zeros(16, 3), torch.zeros(16, 3, dtype=torch.bool))


def filled(network, value):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(value)
    return network


def test_while_warming_up_the_teacher_is_the_mean_of_all_weights_so_far():
    """Students 1, 2, 3, 4 after a start of 0 make 2, the mean of 0 to 4."""
    network = filled(student(), 0.0)
    teacher = Teacher(network, decay=0.999)
    for step in (1, 2, 3, 4):
        teacher.update(filled(network, float(step)), step)
        for parameter in teacher.average.parameters():
            torch.testing.assert_close(parameter, torch.full_like(parameter, step / 2))


@pytest.mark.parametrize(("decay", "last"), [(0.99, 99), (0.9, 9)])
def test_the_warm_up_ends_where_the_mean_is_slower_than_the_average(decay, last):
    network = filled(student(), 1.0)
    for steps, expected in [(last - 1, 1 - 1 / last), (last, decay), (last + 1, decay)]:
        teacher = Teacher(filled(network, 0.0), decay=decay)
        teacher.update(filled(network, 1.0), steps)
        weight = next(iter(teacher.average.parameters()))
        torch.testing.assert_close(weight, torch.full_like(weight, 1 - expected))


def test_without_decay_the_teacher_is_the_student():
    network, teacher = student(), Teacher(student(), decay=0.0)
    for step in (1, 2):
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter)
        teacher.update(network, step)
        for mine, theirs in zip(teacher.parameters(), network.parameters(), strict=True):
            assert torch.equal(mine, theirs)


def test_after_the_warm_up_it_is_the_average_of_torch():
    network = student()
    teacher = Teacher(network, decay=0.9)
    theirs = AveragedModel(network, avg_fn=lambda mean, new, _: 0.9 * mean + 0.1 * new)
    theirs.update_parameters(network)  # the first one copies
    for step in range(20, 25):
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter)
        teacher.update(network, step)
        theirs.update_parameters(network)
    found, expected = teacher.average.parameters(), theirs.module.parameters()
    torch.testing.assert_close(list(found), list(expected))


def statistics(network):
    return {name: value.clone() for name, value in network.named_buffers()}


def test_its_batch_norms_follow_what_it_sees_itself():
    network = student().train()
    teacher = Teacher(network, batch_norm="own").train()
    before = statistics(teacher.average)
    network(clips(shift=1.0))
    teacher.update(network, 1)
    assert all(torch.equal(statistics(teacher.average)[name], v) for name, v in before.items())
    alone = copy.deepcopy(teacher.average)
    torch.manual_seed(3)
    taught = teacher(clips(seed=2))
    torch.manual_seed(3)
    torch.testing.assert_close(taught, alone.train()(clips(seed=2)))  # statistics of the batch
    after, theirs = statistics(teacher.average), statistics(network)
    assert not torch.allclose(
        after["encoder.layers.0.running_mean"], before["encoder.layers.0.running_mean"]
    )
    assert not torch.allclose(
        after["encoder.layers.0.running_mean"], theirs["encoder.layers.0.running_mean"]
    )


@pytest.mark.parametrize(("rule", "share"), [("copied", 1.0), ("averaged", 0.1)])
def test_its_batch_norms_follow_the_student_on_request(rule, share):
    network = student().train()
    teacher = Teacher(network, decay=0.9, batch_norm=rule, dropout=False).train()
    start = statistics(network)
    network(clips(shift=1.0))
    teacher.update(network, 1000)
    for name, value in statistics(network).items():
        found = dict(teacher.average.named_buffers())[name]
        expected = value if not value.is_floating_point() else start[name].lerp(value, share)
        torch.testing.assert_close(found, expected)
    before = statistics(teacher.average)
    evaluated = copy.deepcopy(teacher).eval()(clips(seed=2))
    torch.testing.assert_close(teacher(clips(seed=2)), evaluated)  # not the batch's statistics
    assert all(torch.equal(statistics(teacher.average)[name], v) for name, v in before.items())


@pytest.mark.parametrize("encoder", [NOISY_ATT, partial(GRUEncoder, dropout=0.5)])
@pytest.mark.parametrize("dropout", [True, False])
def test_it_has_dropout_of_its_own_or_none(encoder, dropout):
    teacher = Teacher(student(encoder), batch_norm="own", dropout=dropout).train()
    first, second = teacher(clips()), teacher(clips())
    assert torch.equal(first, second) is not dropout
    teacher.eval()
    assert torch.equal(teacher(clips()), teacher(clips()))


def test_nothing_of_it_is_to_be_trained():
    assert not any(parameter.requires_grad for parameter in Teacher(student()).parameters())


@pytest.mark.parametrize("setting", [{"decay": 1.1}, {"decay": -0.1}, {"batch_norm": "shared"}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=f"teacher.{next(iter(setting))} must be"):
        Teacher(student(), **setting)
