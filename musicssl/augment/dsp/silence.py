"""Sound without its padding."""

from torch import Tensor

from musicssl.augment.dsp.precision import working_dtype
from musicssl.batch import valid_instances


def silence_padding(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return sound, (B, S), with zeros past the first `lengths`, (B,), samples of each clip."""
    if lengths is None:
        return x
    return x.where(valid_instances(lengths, x.shape[1]), 0)


def mean_power(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Average the squares of the valid samples, (B, S) -> (B, 1), in at least single precision."""
    power = silence_padding(x, lengths).to(working_dtype(x)).square()
    if lengths is None:
        return power.mean(dim=1, keepdim=True)
    return power.sum(dim=1, keepdim=True) / lengths[:, None]
