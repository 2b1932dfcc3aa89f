"""`simclr`: contrastive learning from views alone."""

from torch import Tensor

from musicssl.losses.similarity import Labels, same_clip
from musicssl.methods.semisupcon import SemiSupCon


class SimCLR(SemiSupCon):
    """Tell the crops of a clip from those of all other clips.

    Chen et al. 2020, https://arxiv.org/abs/2002.05709: NT-Xent, equation 1. It is `SemiSupCon` with
    the similarity of views alone: labels, if batches hold any, are not looked at. On music, with
    `samplecnn`, it is CLMR: Spijkervet and Burgoyne 2021, https://arxiv.org/abs/2103.09410.

    Where we differ: more than two crops of a clip are each other's positives, as in SupCon's L_out.
    The optimizer is the one that is chosen, not LARS, and its rate does not follow the batch size.
    """

    def weights(self, clips: Tensor, others: Tensor, labels: Labels, their: Labels) -> Tensor:
        """Return which rows of `clips`, (n,), are of the same clip as those of `others`, (N,)."""
        return same_clip(clips, others)
