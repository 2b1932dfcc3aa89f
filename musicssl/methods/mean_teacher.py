"""`mean_teacher`: consistency with the moving average of the student."""

import torch
from torch.nn.functional import mse_loss

from musicssl.batch import Batch
from musicssl.methods.base.semi_supervised import SemiSupervisedMethod, Step


class MeanTeacher(SemiSupervisedMethod):
    """Train the student to match its EMA teacher's prediction on another view of the clip.

    Tarvainen and Valpola 2017, https://arxiv.org/abs/1703.01780, for multi-label clips as in
    Gururani's thesis, equation 5.4: the mean over clips and classes of the squared difference of
    probabilities, for all classes, observed or not, of all clips. Where a clip has one class these
    are softmax probabilities, as in the paper, and in a regression the predicted values. The thesis
    has no views but dropout (`views=none`); its experiment on OpenMIC is
    `experiment=openmic_mean_teacher`.

    The targets come from a teacher in training mode, with dropout of its own; no gradient reaches
    it.
    """

    teaches = True

    def step(self, batch: Batch) -> Step:
        """Compare the student on one view with the teacher on another."""
        logits = self.answers(self.classifier, batch.augmented(self.views.student))
        with torch.no_grad():
            targets = self.answers(self.teacher, batch.augmented(self.views.target))
        return Step(logits, mse_loss(self.task.scores(logits), self.task.scores(targets)))
