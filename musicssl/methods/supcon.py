"""`supcon`: contrastive learning from labelled clips alone."""

from typing import ClassVar

from musicssl.data.needs import Needs
from musicssl.methods.semisupcon import SemiSupCon


class SupCon(SemiSupCon):
    """Pull together clips with like labels, and the crops of each.

    Khosla et al. 2020, https://arxiv.org/abs/2004.11362, equation 2, L_out. It is `SemiSupCon` on
    batches of labelled clips alone: what labels are worth to it without the other audio.

    Where we differ: the paper's clips have one class each; for those of several, and for
    regression, what labels have in common is `similarity`. The paper trains its linear classifier
    afterwards by gradient; ours is the linear probe that judges all these methods. SupContrast's
    code multiplies the loss by temperature / 0.07.
    """

    needs: ClassVar[Needs] = Needs(labels=False, only_labelled=True, crops=2)
