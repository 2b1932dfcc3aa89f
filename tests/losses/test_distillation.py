import pytest
import torch
from torch.distributions import Bernoulli, Categorical, kl_divergence

from musicssl.losses.distillation import binary_distillation, softmax_distillation

TAUS = (1.0, 2.0, 5.0)


def drawn(scale=3.0):
    g = torch.Generator().manual_seed(0)
    student, teacher = scale * torch.randn(2, 8, 4, generator=g)
    return student, teacher, torch.rand(8, 4, generator=g) < 0.5


@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize("scale", [3.0, 10.0])
def test_the_binary_divergence_is_that_of_two_bernoullis(tau, scale):
    student, teacher, mask = drawn(scale)
    s, t = student.double() / tau, teacher.double() / tau
    cells = kl_divergence(Bernoulli(logits=t), Bernoulli(logits=s))[mask]
    loss = binary_distillation(student, teacher, mask, tau)
    assert loss.item() == pytest.approx(tau**2 * cells.mean().item(), rel=1e-4)


@pytest.mark.parametrize("tau", TAUS)
def test_the_softmax_divergence_is_that_of_two_categoricals(tau):
    student, teacher, mask = drawn()
    clips = mask[:, 0]
    s, t = student[clips] / tau, teacher[clips] / tau
    each = kl_divergence(Categorical(logits=t), Categorical(logits=s))
    loss = softmax_distillation(student, teacher, clips, tau)
    torch.testing.assert_close(loss, tau**2 * each.mean())


def test_two_classes_of_a_softmax_are_one_sigmoid():
    student, teacher, _ = drawn()
    every = torch.ones(8, dtype=torch.bool)
    zeros = torch.zeros(8, 1)
    pair = (torch.cat([x[:, :1], zeros], dim=1) for x in (student, teacher))
    torch.testing.assert_close(
        softmax_distillation(*pair, every, 2.0),
        binary_distillation(student[:, :1], teacher[:, :1], every[:, None], 2.0),
    )


def test_the_gradient_of_a_cell_is_the_difference_of_probabilities_times_tau():
    student, teacher, mask = drawn()
    student.requires_grad_()
    (binary_distillation(student, teacher, mask, 2.0) * mask.sum()).backward()
    difference = (student / 2).sigmoid() - (teacher / 2).sigmoid()
    torch.testing.assert_close(student.grad, 2 * difference.detach() * mask)


def test_what_is_not_compared_may_be_anything():
    student, teacher, mask = drawn()
    student.requires_grad_()
    unknown = teacher.where(mask, torch.nan)
    loss = binary_distillation(student, unknown, mask)
    torch.testing.assert_close(loss, binary_distillation(student, teacher, mask))
    loss.backward()
    assert student.grad.isfinite().all()
    nothing = torch.zeros_like(mask)
    assert binary_distillation(student, teacher, nothing) == 0
    assert softmax_distillation(student, unknown, nothing[:, 0], 2.0) == 0


def test_an_equal_teacher_gives_loss_0():
    student, _, mask = drawn(30.0)
    assert binary_distillation(student, student, mask) == pytest.approx(0, abs=1e-6)
    assert softmax_distillation(student, student, mask[:, 0], 2.0) == pytest.approx(0, abs=1e-6)
