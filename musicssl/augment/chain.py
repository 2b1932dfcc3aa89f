"""Views of a clip: batched transforms of its instances or of its sound, one after the other.

A transform is called with clips `x`, (B, T, F), and `lengths`, (B,), the number of valid instances
of each clip, or None if all T are; one whose `of_sound` is True is called with sound, (B, S), and
counts of samples. It returns new clips in the shape, dtype and device of `x`. It draws from torch's
default generator of that device, which training seeds for each step, and for each clip by itself.
What it makes of padding is without meaning, and padding never reaches a valid instance.

Features are scaled to about [0, 1], and strengths are in their units: in a log-mel instance 0.1 is
a tenth of the range of levels, 8 dB with floor_db=-80. Results are not clipped to [0, 1]: no
encoder needs the range, ATT's starts with a batch norm, and clipping would move the mean of
whatever lies near an end of it, as silence does.
"""

from collections.abc import Callable

from torch import Tensor

from musicssl.errors import InputError

Transform = Callable[[Tensor, Tensor | None], Tensor]


class Chain:
    """Apply transforms in the order in which they are named; without any, `x` itself is returned.

    Args:
        transforms: By name, so that a command line reaches each of them, as in `noise.std=0.3`.

    Raises:
        InputError: If one of them cannot be called; when called, if one is not for such clips.
    """

    def __init__(self, **transforms: Transform) -> None:
        for name, transform in transforms.items():
            if not callable(transform):
                raise InputError(
                    f"{name} of a chain of transforms is {transform!r}, which is none; to leave it "
                    "out, delete its key with ~ on the command line."
                )
        self.transforms = transforms
        self.of_sound = any(getattr(t, "of_sound", False) for t in transforms.values())

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips, of which the first `lengths`, (B,), instances or samples are valid."""
        for transform in self.transforms.values():
            if getattr(transform, "of_sound", False) != (x.ndim == 2):
                raise _of_another_kind(x)
            x = transform(x, lengths)
        return x


def _of_another_kind(x: Tensor) -> InputError:
    """Say that views are not for such clips, and which are."""
    of_sound = "views=semisupcon and views=sound"
    of_instances = "views=weak and views=strong"
    clips, others = ("sound", "instances") if x.ndim == 2 else ("instances", "sound")
    fit, unfit = (of_sound, of_instances) if x.ndim == 2 else (of_instances, of_sound)
    return InputError(
        f"views of {others} were chosen, but the encoder gets {clips}; {fit} are of "
        f"{clips}, {unfit} are of {others}: choose one of the former, or views=none."
    )
