"""`att`: weakly supervised classification of clips through their instances."""

from torch import Tensor

from musicssl.batch import Batch
from musicssl.methods.base.method import Method


class AttentionMIL(Method):
    """Learn clip labels from bags of instances, with labels that may be missing.

    S(x) = sum_t w_t f(x_t): Gururani, Sharma and Lerch 2019, https://arxiv.org/abs/1907.04294, with
    `encoder=att pooling=attention`. The paper's baselines are the same method with other parts: FC
    (`encoder=fc`), FC_T (`encoder=fc_t`) and RNN (`encoder=gru`), each with `pooling=mean`.

    Unlabelled clips in a batch add nothing to the loss, but are part of batch-norm statistics.
    """

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss on the observed labels of a batch."""
        loss = self.loss(self(batch), batch.y, batch.mask)
        self.record(loss=loss)
        return loss
