"""Two views of a clip: the student's input, and the input from which its target is computed."""

from dataclasses import InitVar, dataclass

from musicssl.augment.chain import Chain, Transform
from musicssl.augment.published import probability_of_chain, published_chain
from musicssl.errors import InputError


@dataclass(frozen=True)
class Views:
    """The transforms that make the two views of a batch; see `musicssl.augment.chain`.

    Attributes:
        student: Transform of the student's view.
        target: Transform of the view from which the target of consistency is computed.
        changed: Probability that the views of a clip are made; both are otherwise the clip as it
            is. For methods that compare crops of clips.
        strength: Factor of the strengths of both views when they are made; see `Chain.scaled`.

    Raises:
        InputError: If the strength is negative, or a view has none to scale.
    """

    student: Transform
    target: Transform
    changed: float = 1.0
    strength: InitVar[float] = 1.0

    def __post_init__(self, strength: float) -> None:
        if strength == 1:
            return
        for name in ("student", "target"):
            view = getattr(self, name)
            if not isinstance(view, Chain):
                raise InputError(
                    f"views.strength={strength:g} scales chains of transforms, but views.{name} is "
                    f"a {type(view).__name__}; leave views.strength out."
                )
            object.__setattr__(self, name, view.scaled(strength))

    def check_input(self, is_sound: bool) -> None:
        """Check that both views are of clips of this kind, sound or instances.

        Raises:
            InputError: If a chain of transforms is not.
        """
        for view in (self.student, self.target):
            if isinstance(view, Chain):
                view.check_input(is_sound)

    def each_by_itself(self) -> "Views":
        """Return these views for a method that makes one without the other.

        Raises:
            InputError: If they are made or left out together.
        """
        if self.changed == 1:
            return self
        raise InputError(
            "these views leave both views of a clip unchanged together, which needs a method that "
            "compares crops, such as semisupcon; choose other views, such as views=semisupcon."
        )


NO_VIEWS = Views(student=Chain(), target=Chain())


def published_views(severity: float, sample_rate: int, to_the_letter: bool = False) -> Views:
    """Return the views of sound with which SemiSupCon was published.

    Args:
        severity: Severity of `published_chain`, from 0 (clips do not change) to 5.
        sample_rate: Sample rate, in Hz.
        to_the_letter: Whether to do as the authors' code where ours differs: the whole chain is
            skipped for both views of a clip at once (at severity 2 for a fifth of the clips;
            otherwise each view skips it by itself), and echoes are drawn, see `DrawnDelay`.

    Raises:
        InputError: If the severity lies outside [0, 5].
    """
    if to_the_letter:
        chain = published_chain(severity, sample_rate, skipped=False, drawn_echoes=True)
        return Views(chain, chain, changed=probability_of_chain(severity) if severity else 1.0)
    chain = published_chain(severity, sample_rate)
    return Views(student=chain, target=chain)
