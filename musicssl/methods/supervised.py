"""`supervised`: the baseline of the methods that learn from unlabelled clips."""

from typing import ClassVar

from musicssl.batch import Batch
from musicssl.methods.base.semi_supervised import SemiSupervisedMethod, Step


class Supervised(SemiSupervisedMethod):
    """Learn only from observed labels, with the same views and the same averaging of weights.

    Augmentation and averaging of weights also help without unlabelled clips. Compare methods that
    learn from unlabelled clips with this one, to exclude these effects. It equals `mean_teacher`
    with weight 0, without the cost of the second view. Unlabelled clips in a batch only affect the
    statistics of batch norms.
    """

    stacks: ClassVar[bool] = True

    def step(self, batch: Batch) -> Step:
        """Predict one view."""
        logits = self.answers(self.classifier, batch.augmented(self.views.student))
        return Step(logits, consistency=logits.new_zeros(()))
