"""What was left out of a choice of settings on validation, in plain sentences."""

from collections.abc import Sequence

from musicssl.evaluation.metrics import metric_info, percent
from musicssl.report.analysis.best_settings import BestSettings
from musicssl.report.analysis.choosing import Choice, Rivals


def choice_notes(best: BestSettings) -> list[str]:
    """Say what could not be chosen, and among what it was not chosen."""
    return [
        *_unvalidated([one for one in best.not_chosen if one.unvalidated]),
        *(_unlike(one) for one in best.not_chosen if not one.unvalidated),
        *(_incomplete(choice) for choice in best.choices if choice.incomplete),
        *(_undefined(choice) for choice in best.choices if choice.undefined),
    ]


def _unvalidated(rivals: Sequence[Rivals]) -> list[str]:
    if not rivals:
        return []
    lacking = sum(len(one.unvalidated) for one in rivals)
    return [
        f"Best settings of {_places(rivals)} are not chosen: {lacking} of "
        f"{sum(len(one.runs) for one in rivals)} runs have no scores on validation clips by class, "
        "as those of older versions; the training command with overwrite=true makes them."
    ]


def _unlike(rivals: Rivals) -> str:
    return (
        f"Best settings of {_place(rivals)} are not chosen: they differ in "
        f"{', '.join(rivals.unlike)}, so scores on validation clips do not compare."
    )


def _incomplete(choice: Choice) -> str:
    number = len(choice.incomplete)
    what = "1 setting takes" if number == 1 else f"{number} settings take"
    return (
        f"{what} no part in the choice for {_place(choice)}, lacking seeds that others have: "
        f"{'; '.join(choice.incomplete)}."
    )


def _undefined(choice: Choice) -> str:
    heading = metric_info(choice.metric).heading
    return (
        f"For {_place(choice)} the {heading} of {', '.join(choice.undefined)} is "
        "undefined on validation clips, so the first setting stands for the best one there."
    )


def _places(rivals: Sequence[Rivals]) -> str:
    """Name methods, and the fractions of each."""
    fractions = {
        name: ", ".join(percent(one.p_s) for one in rivals if one.name == name)
        for name in dict.fromkeys(one.name for one in rivals)
    }
    return " and ".join(f"{name} at {some} of the labels" for name, some in fractions.items())


def _place(chosen: Choice | Rivals) -> str:
    return f"{chosen.name} at {percent(chosen.p_s)} of the labels"
