"""Two views of a clip: the student's input, and the input from which its target is computed."""

from dataclasses import dataclass

from musicssl.augment.chain import Chain, Transform
from musicssl.augment.published import published_chain


@dataclass(frozen=True)
class Views:
    """The transforms that make the two views of a batch; see `musicssl.augment.chain`.

    Attributes:
        student: Transform of the student's view.
        target: Transform of the view from which the target of consistency is computed.
    """

    student: Transform
    target: Transform


NO_VIEWS = Views(student=Chain(), target=Chain())


def published_views(severity: float, sample_rate: int) -> Views:
    """Return the views of sound with which SemiSupCon was published; both are drawn independently.

    Args:
        severity: Severity of `published_chain`, from 0 (clips do not change) to 5.
        sample_rate: Sample rate, in Hz.

    Raises:
        InputError: If the severity lies outside [0, 5].
    """
    chain = published_chain(severity, sample_rate)
    return Views(student=chain, target=chain)
