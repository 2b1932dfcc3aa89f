"""`supcon`: contrastive learning from labelled clips alone."""

from musicssl.errors import InputError
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

    def setup(self, stage: str) -> None:
        """Check that all clips of a batch are labelled.

        Raises:
            InputError: If the batches hold unlabelled clips.
        """
        super().setup(stage)
        b_s = self.trainer.datamodule.b_s  # type: ignore[attr-defined]
        if stage == "fit" and b_s != 1:
            share = "null" if b_s is None else f"{b_s:g}"
            raise InputError(
                f"this method learns from labelled clips alone, but data.b_s={share} draws others; "
                "set data.b_s=1, or choose method=semisupcon."
            )
