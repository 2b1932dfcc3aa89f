"""`mean_teacher`: consistency with the moving average of the student."""

from typing import ClassVar

import torch
from torch.nn.functional import mse_loss

from musicssl.batch import Batch
from musicssl.methods.base.semi_supervised import SemiSupervisedMethod, Step


class MeanTeacher(SemiSupervisedMethod):
    """Train the student to match its EMA teacher's prediction on another view of the clip.

    Tarvainen and Valpola 2017, https://arxiv.org/abs/1703.01780, for multi-label clips as in
    Gururani's thesis, equation 5.4: the mean over all clips and classes, observed or not, of the
    squared difference of probabilities. In a multi-class task these are softmax probabilities, as
    in the paper, in a regression the predicted values. The views of the thesis differ only by
    dropout (`views=none`); its experiment on OpenMIC is `experiment=mean_teacher dataset=openmic`.

    The targets come from a teacher in training mode, with its own dropout, without gradients.
    """

    stacks: ClassVar[bool] = True
    teaches = True

    def step(self, batch: Batch) -> Step:
        """Compare the student on one view with the teacher on another."""
        logits = self.answers(self.classifier, batch.augmented(self.views.student))
        with torch.no_grad():
            targets = self.answers(self.teacher, batch.augmented(self.views.target))
        return Step(logits, mse_loss(self.task.scores(logits), self.task.scores(targets)))
