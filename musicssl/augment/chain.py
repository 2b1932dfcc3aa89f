"""Views of a clip: a chain of batched transforms of its instances or of its sound.

A transform is called with clips `x`, (B, T, F), and `lengths`, (B,), the number of valid instances
of each clip, or None if all T are valid. A transform whose `of_sound` is True is called with sound,
(B, S), and numbers of samples. It returns new clips of the same shape, dtype and device as `x`.
Random numbers are drawn for each clip independently, from torch's default generator of that device,
which training seeds before every step. Padding never affects a valid instance, and the padding of
the result is arbitrary.

Features are scaled to about [0, 1], and strengths are in the same units: in a log-mel instance 0.1
is a tenth of the range of levels, 8 dB with floor_db=-80. Results are not clipped to [0, 1]: no
encoder needs the range, ATT's starts with a batch norm, and clipping would shift the mean of values
near an end of the range, such as silence.
"""

from collections.abc import Callable

from torch import Tensor

from musicssl.augment.dsp.check import check_strength
from musicssl.errors import InputError

Transform = Callable[[Tensor, Tensor | None], Tensor]


class Chain:
    """Apply transforms in the given order; without any, return `x` itself.

    Args:
        transforms: Transforms by name, so that the command line can set each of them, as in
            `noise.std=0.3`.

    Raises:
        InputError: If a transform is not callable, or, when called, if a transform of sound gets
            instances or the reverse.
    """

    def __init__(self, **transforms: Transform) -> None:
        for name, transform in transforms.items():
            if not callable(transform):
                raise InputError(
                    f"{name} of a chain of transforms is {transform!r}, which is not a transform; "
                    "to leave it out, delete its key with ~ on the command line."
                )
        self.transforms = transforms
        self.of_sound = any(getattr(t, "of_sound", False) for t in transforms.values())

    def scaled(self, strength: float) -> "Chain":
        """Return the chain with the strengths of all transforms scaled.

        Args:
            strength: Factor of every strength; 1 is this chain, 0 an empty one, which returns `x`
                itself. Each transform says in its `scaled` what its strength is.

        Raises:
            InputError: If `strength` is negative, or a transform has no strength to scale.
        """
        check_strength("views.strength", strength)
        if strength == 1 or not self.transforms:
            return self
        if strength == 0:
            return Chain()
        fixed = [name for name, t in self.transforms.items() if not hasattr(t, "scaled")]
        if fixed:
            raise InputError(
                f"views.strength={strength:g} cannot scale {', '.join(fixed)}: it is for views of "
                "instances, such as views=weak_strong; views of sound have views=semisupcon "
                "views.severity, or settings of their own."
            )
        scaled = {name: t.scaled(strength) for name, t in self.transforms.items()}  # type: ignore[attr-defined]
        return Chain(**scaled)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips, of which the first `lengths`, (B,), instances or samples are valid."""
        self.check_input(is_sound=x.ndim == 2)
        for transform in self.transforms.values():
            x = transform(x, lengths)
        return x

    def check_input(self, is_sound: bool) -> None:
        """Check that all transforms are for clips of this kind, sound or instances.

        Raises:
            InputError: If one is not.
        """
        if any(getattr(t, "of_sound", False) != is_sound for t in self.transforms.values()):
            raise _wrong_views(is_sound)


def _wrong_views(is_sound: bool) -> InputError:
    """Return the error for views that do not match the clips, with the names of views that do."""
    sound_views = "views=semisupcon and views=sound"
    instance_views = "views=weak and views=strong"
    actual, expected = ("sound", "instances") if is_sound else ("instances", "sound")
    fit, unfit = (sound_views, instance_views) if is_sound else (instance_views, sound_views)
    return InputError(
        f"views of {expected} were chosen, but the encoder gets {actual}; {fit} are of "
        f"{actual}, {unfit} are of {expected}: choose one of the former, or views=none."
    )
