"""`pi_model`: consistency of a network with itself."""

from torch.nn.functional import mse_loss

from musicssl.batch import Batch
from musicssl.methods.base.semi_supervised import SemiSupervisedMethod, Step


class PiModel(SemiSupervisedMethod):
    """Train the network to make the same prediction on two views of a clip.

    Laine and Aila 2017, https://arxiv.org/abs/1610.02242, algorithm 1, on probabilities of labels
    (of a softmax where a clip has one class, as there; in a regression on values). The gradient
    goes through both views. Labels are learnt from the first of them. The paper scales its greatest
    weight by the labelled fraction of all clips; here it is as given.
    """

    def step(self, batch: Batch) -> Step:
        """Compare the predictions on two views."""
        first = self.answers(self.classifier, batch.augmented(self.views.student))
        second = self.answers(self.classifier, batch.augmented(self.views.target))
        return Step(first, mse_loss(self.task.scores(first), self.task.scores(second)))
