"""`pi_model`: consistency of a network's predictions on two views."""

from torch.nn.functional import mse_loss

from musicssl.batch import Batch
from musicssl.methods.base.semi_supervised import SemiSupervisedMethod, Step


class PiModel(SemiSupervisedMethod):
    """Train the network to make the same prediction on two views of a clip.

    Laine and Aila 2017, https://arxiv.org/abs/1610.02242, algorithm 1, on probabilities of labels
    (in a multi-class task softmax probabilities, as in the paper; in a regression values). The
    gradient flows through both views, and the supervised loss uses the first one. The paper scales
    its maximal weight by the labelled fraction of all clips; here the weight is used as given.
    """

    def step(self, batch: Batch) -> Step:
        """Compare the predictions on two views."""
        first = self.answers(self.classifier, batch.augmented(self.views.student))
        second = self.answers(self.classifier, batch.augmented(self.views.target))
        return Step(first, mse_loss(self.task.scores(first), self.task.scores(second)))
