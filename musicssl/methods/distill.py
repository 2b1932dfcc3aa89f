"""`distill`: knowledge distillation from a frozen teacher."""

from typing import ClassVar

from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.needs import Needs
from musicssl.methods.base.distillation import DistillationMethod


class Distill(DistillationMethod):
    """Learn to make the predictions of a teacher, class by class.

    Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531, for labels that may be
    missing, as Ding and Lerch 2023, https://arxiv.org/abs/2306.17424, compare EAsT with it ("KD"):

        loss = (1 - teacher_weight) * supervised + teacher_weight * tau^2 KL(teacher || student)

    with probabilities at temperature tau; see `musicssl.losses.distillation`. The teacher is a
    checkpoint of musicssl, trained for the same classes, or embeddings, on which TeacherLR is
    fitted; see `DistillationMethod`.

    The authors compare the observed cells alone. A teacher answers about every class of every clip,
    so that `distil` is "all" unless they are asked for, and unlabelled clips count.
    """

    needs: ClassVar[Needs] = Needs(teacher=("embeddings", "logits"))

    def teacher_loss(self, batch: Batch) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return the student's logits, (B, C), and their divergence from the teacher's."""
        logits: Tensor = self.classifier(batch)
        return logits, self.distillation(logits, batch), {}
