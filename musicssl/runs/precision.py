"""The precision of training: what trainer.precision=auto stands for."""

import torch

AUTO = "auto"
PRECISIONS = (AUTO, "32-true", "32", "16-mixed", "16", "bf16-mixed", "bf16")


def chosen_precision(setting: str, accelerator: str) -> str:
    """Return the precision that Lightning trains in.

    With "auto" a GPU that computes with bfloat16 trains in bf16-mixed: products are computed with
    16 bits, while weights, optimizer, losses, statistics and validation keep 32. It needs no
    scaling of the loss, for its numbers reach as far as those of 32 bits. Everything else trains
    with 32 bits.

    Args:
        setting: `trainer.precision`.
        accelerator: `trainer.accelerator`.
    """
    if str(setting) != AUTO:
        return setting
    on_gpu = str(accelerator) in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    has_bf16 = on_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16-mixed" if has_bf16 else "32-true"
