"""`supervised`: the fair baseline of the methods that learn from unlabelled clips."""

from musicssl.batch import Batch
from musicssl.methods.base.semi_supervised import SemiSupervisedMethod, Step


class Supervised(SemiSupervisedMethod):
    """Learn from observed labels alone, with the same views and the same averaging of weights.

    Augmentation and averaging of weights help without unlabelled clips too; methods that learn from
    unlabelled clips are to be compared with this one. It is `mean_teacher` with weight 0, without
    the cost of the second view. Unlabelled clips in a batch enter the statistics of batch norms
    only.
    """

    def step(self, batch: Batch) -> Step:
        """Predict one view."""
        logits = self.answers(self.classifier, batch.augmented(self.views.student))
        return Step(logits, consistency=logits.new_zeros(()))
