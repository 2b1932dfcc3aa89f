"""Two views of a clip: the one that the student learns from, and the one that sets its target."""

from dataclasses import dataclass

from musicssl.augment.chain import Transform
from musicssl.augment.published import published_chain


@dataclass(frozen=True)
class Views:
    """How the two views are made of a batch; see `musicssl.augment`.

    Attributes:
        student: Takes instances, (B, T, F), and lengths, (B,) or None, to instances.
        target: The same for the view from which the target of consistency is made.
    """

    student: Transform
    target: Transform


def published_views(severity: float, sample_rate: int) -> Views:
    """Return two views of sound as SemiSupCon was published with, drawn apart from each other.

    Args:
        severity: Of `published_chain`, from 0 (clips as they are) to 5.
        sample_rate: In Hz.

    Raises:
        InputError: If the severity lies outside [0, 5].
    """
    chain = published_chain(severity, sample_rate)
    return Views(student=chain, target=chain)
