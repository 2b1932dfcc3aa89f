"""Knowledge distillation: the divergence of a student's answers from those of a teacher."""

from torch import Tensor
from torch.nn.functional import softplus


def binary_distillation(student: Tensor, teacher: Tensor, mask: Tensor, tau: float = 2.0) -> Tensor:
    """Average the divergence of the student's from the teacher's probability of each class.

    Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531, section 2, with a sigmoid for
    each class, as in Ding and Lerch 2023, https://arxiv.org/abs/2306.17424. With s and t the logits
    divided by tau, the divergence of two Bernoulli variables is

        KL(t || s) = sigmoid(t) (t - s) + softplus(s) - softplus(t)

    which is exact for any logits; the published code adds 1e-9 inside a logarithm, which is wrong
    by tens for confident ones. The factor tau^2 keeps gradients of the same size at any tau.

    Args:
        student: Logits, (B, C).
        teacher: Logits, (B, C), without gradient; arbitrary where `mask` is False.
        mask: True for the cells that are compared, (B, C) bool.
        tau: Temperature.

    Returns:
        Scalar, in nats; 0 if no cell is compared.
    """
    s, t = student.float() / tau, teacher.float().where(mask, 0) / tau
    divergence = t.sigmoid() * (t - s) + softplus(s) - softplus(t)
    return tau**2 * divergence.where(mask, 0).sum() / mask.sum().clamp_min(1)


def softmax_distillation(student: Tensor, teacher: Tensor, clips: Tensor, tau: float) -> Tensor:
    """Average the divergence of the student's from the teacher's distribution over classes.

    Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531, section 2: tau^2 times
    KL(t || s) of softmax distributions at temperature tau.

    Args:
        student: Logits, (B, C).
        teacher: Logits, (B, C), without gradient; arbitrary where `clips` is False.
        clips: True for the clips that are compared, (B,) bool.
        tau: Temperature.

    Returns:
        Scalar, in nats; 0 if no clip is compared.
    """
    s = (student.float() / tau).log_softmax(dim=1)
    t = (teacher.float().where(clips[:, None], 0) / tau).log_softmax(dim=1)
    divergence = (t.exp() * (t - s)).sum(dim=1)
    return tau**2 * divergence.where(clips, 0).sum() / clips.sum().clamp_min(1)
