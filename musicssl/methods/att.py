"""`att`: weakly supervised classification of clips through their instances."""

from typing import Any, ClassVar

from torch import Tensor

from musicssl.augment.mixing.mixing import Mixing
from musicssl.batch import Batch
from musicssl.methods.base.mixing import NO_MIXING, check_mixing
from musicssl.methods.base.stackable import StackableMethod


class AttentionMIL(StackableMethod):
    """Learn clip labels from bags of instances, with labels that may be missing.

    S(x) = sum_t w_t f(x_t): Gururani, Sharma and Lerch 2019, https://arxiv.org/abs/1907.04294, with
    `encoder=att pooling=attention`. The paper's baselines are the same method with other parts: FC
    (`encoder=fc`), FC_T (`encoder=fc_t`) and RNN (`encoder=gru`), each with `pooling=mean`.

    Unlabelled clips in a batch add nothing to the loss, but are part of batch-norm statistics.

    Args:
        mixing: Mixes the clips of a training batch; see `musicssl.augment.mixing`.
        parts: See `Method`.

    Raises:
        InputError: If clips of the task cannot be mixed in this way.
    """

    stacks: ClassVar[bool] = True

    def __init__(self, *, mixing: Mixing = NO_MIXING, **parts: Any) -> None:
        super().__init__(**parts)
        self.mixing = check_mixing(mixing, self.task)

    def terms(self, batch: Batch, weight: float | Tensor) -> dict[str, Tensor]:
        """Return the loss on the observed labels of a batch."""
        batch = self.mixing(batch)
        return {"loss": self.batch_loss(self(batch), batch.y, batch.mask)}
