"""Two views of a clip: the one that the student learns from, and the one that sets its target."""

from dataclasses import dataclass

from musicssl.augment.chain import Transform


@dataclass(frozen=True)
class Views:
    """How the two views are made of a batch; see `musicssl.augment`.

    Attributes:
        student: Takes instances, (B, T, F), and lengths, (B,) or None, to instances.
        target: The same for the view from which the target of consistency is made.
    """

    student: Transform
    target: Transform
