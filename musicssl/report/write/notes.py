"""Notes of a report in plain sentences: what it leaves out, and warnings about its runs."""

from collections.abc import Callable, Sequence
from pathlib import Path

from musicssl.evaluation.metrics import metric_info, percent
from musicssl.report.analysis.best_settings import BestSettings
from musicssl.report.analysis.choices import Choice, Rivals
from musicssl.report.analysis.comparisons import TESTED
from musicssl.report.analysis.grouping import Method, largest_common_fraction
from musicssl.report.analysis.linear_probes import has_probes
from musicssl.report.analysis.probe_study import ProbeStudy
from musicssl.report.analysis.study import Studies, Study
from musicssl.report.read.runs import Run
from musicssl.report.read.settings import ABSENT, differing

_MOST_FOLDERS = 5  # that are named


def notes(study: Study) -> list[str]:
    """List the notes on a study."""
    return [
        *_pooled_folds(study),
        *_tested_metric(study),
        *_unequal_training(study.methods),
        *_missing_curve(study),
        *_scores_of_probes(study.methods),
        *_missing_robustness(study),
        *_missing_linear_probes(study),
        *choice_notes(study.best_settings),
        *_crowded_pictures(study),
        *_missing_seeds(study),
    ]


def left_out(studies: Studies, probes: ProbeStudy) -> list[str]:
    """Name all runs and probes that the report leaves out, a sentence for each reason."""
    return [
        *studies.left_out,
        *probes.left_out,
        *_unfinished([*studies.unfinished, *probes.unfinished]),
        *_outdated(probes.outdated),
    ]


def _tested_metric(study: Study) -> list[str]:
    if not study.is_tested_on_another_metric:
        return []
    return [
        f"Tables and curves are of {study.metric_name}. Differences between methods are tested "
        f"on macro {metric_info(TESTED).heading}, whose variance over test clips is known."
    ]


def _pooled_folds(study: Study) -> list[str]:
    folds = study.baseline.runs[0].folds
    if not folds:
        return []
    return [
        f"The test clips of folds {', '.join(folds)} are put together: a clip has the scores of "
        "the run that it was tested by, and metrics are those of all clips. The runs of a seed "
        "over folds count as one."
    ]


def _unfinished(folders: Sequence[Path]) -> list[str]:
    if not folders:
        return []
    names = ", ".join(map(str, folders[:_MOST_FOLDERS]))
    more = len(folders) - _MOST_FOLDERS
    names += f", and {more} more" if more > 0 else ""
    return [f"Left out because they are not finished: {names}."]


def _outdated(folders: Sequence[Path]) -> list[str]:
    if not folders:
        return []
    return [
        "Left out because their runs were trained again since and have other checkpoints: "
        f"{', '.join(map(str, folders))}; probe them again."
    ]


def _unequal_training(methods: Sequence[Method]) -> list[str]:
    """Name settings of the trainer in which methods differ: readers may take it for a merit."""
    lines = []
    for key in differing([method.settings for method in methods]):
        if key.startswith("trainer."):
            values = (f"{m.label} {m.settings.get(key, ABSENT)}" for m in methods)
            lines.append(f"The methods were trained differently: {key} is {', '.join(values)}.")
    return lines + _unequal_labels(methods)


def _unequal_labels(methods: Sequence[Method]) -> list[str]:
    """Say how many labelled clips each method saw in training, if not all saw the same number."""
    seen = {
        method.label: sorted({run.labelled_seen for run in method.runs if run.labelled_seen})
        for method in methods
    }
    counts = {label: most for label, most in seen.items() if most}
    if len({tuple(most) for most in counts.values()}) < 2:
        return []
    listed = ", ".join(f"{label} {_range(most)}" for label, most in counts.items())
    return [
        f"The methods saw different numbers of labelled clips in training: {listed}. "
        "The same data.labelled_clips and trainer.max_steps make them equal."
    ]


def _range(numbers: Sequence[int]) -> str:
    least, most = numbers[0], numbers[-1]
    return f"{most:,}" if least == most else f"{least:,} to {most:,}"


def _missing_curve(study: Study) -> list[str]:
    if len(study.p_s) == 1:
        only = percent(study.p_s[0])
        return [f"All runs have {only} of the labels, so there is no curve over labels."]
    if not study.matches and len(study.methods) > 1:
        return [
            f"{study.baseline.label} has runs at one fraction of labels, so it cannot be said how "
            "many labels it needs to match the others."
        ]
    return []


def _scores_of_probes(methods: Sequence[Method]) -> list[str]:
    """Name the methods whose scores are not those of a network that was trained for the task."""
    labels = [method.label for method in methods if any(map(has_probes, method.runs))]
    if not labels:
        return []
    return [f"Scores of {', '.join(labels)} are those of a linear probe on frozen embeddings."]


def _missing_robustness(study: Study) -> list[str]:
    if study.robustness is not None:
        return []
    file = "a robustness.csv, which corruption=all writes"
    subject = "Results under corruptions of sound are"
    return _left_out(study, lambda run: run.robustness is not None, subject, file)


def _missing_linear_probes(study: Study) -> list[str]:
    if study.linear_probes is not None:
        return []
    file = "a label_curve.csv, which methods that learn embeddings write"
    return _left_out(study, has_probes, "Curves of linear probes over labelled clips are", file)


def _left_out(study: Study, has: Callable[[Run], bool], subject: str, file: str) -> list[str]:
    """Say why a part of the report is left out; nothing if no run has what the part shows."""
    runs = [run for method in study.methods for run in method.runs]
    having = sum(map(has, runs))
    if having == 0:
        return []
    if largest_common_fraction(study.methods, has) is not None:
        reason = "the runs differ in the corruptions or severities that they were tested under"
    elif having < len(runs):
        reason = f"{having} of {len(runs)} runs have {file}"
    else:
        reason = "the methods have no fraction of labels in common"
    return [f"{subject} left out: {reason}."]


def _crowded_pictures(study: Study) -> list[str]:
    if not study.is_crowded:
        return []
    return [
        f"Pictures of classes and of labelled clips show the settings chosen on validation, "
        f"because there are {len(study.methods)} methods."
    ]


def _missing_seeds(study: Study) -> list[str]:
    uneven = sum(bool(one.left_out) for one in study.comparisons if one.with_baseline)
    if not uneven:
        return []
    return [
        f"Seeds that only one method has are left out of {uneven} of the comparisons with the "
        "baseline; the table says which."
    ]


# --- the choice of settings on validation clips


def choice_notes(best: BestSettings) -> list[str]:
    """Name the choices that were not possible, and the settings that were left out."""
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
        f"Best settings of {_subjects(rivals)} are not chosen: {lacking} of "
        f"{sum(len(one.runs) for one in rivals)} runs have no scores on validation clips by class, "
        "as runs of older versions; repeat the training command with overwrite=true to add them."
    ]


def _unlike(rivals: Rivals) -> str:
    return (
        f"Best settings of {_subject(rivals)} are not chosen: they differ in "
        f"{', '.join(rivals.unlike)}, so scores on validation clips do not compare."
    )


def _incomplete(choice: Choice) -> str:
    number = len(choice.incomplete)
    settings = "1 setting takes" if number == 1 else f"{number} settings take"
    return (
        f"{settings} no part in the choice for {_subject(choice)}, without seeds that others have: "
        f"{'; '.join(choice.incomplete)}."
    )


def _undefined(choice: Choice) -> str:
    name = metric_info(choice.metric).heading
    return (
        f"For {_subject(choice)} the {name} of {', '.join(choice.undefined)} is "
        "undefined on validation clips, so the first setting is taken for it."
    )


def _subjects(rivals: Sequence[Rivals]) -> str:
    """Name methods, and the fractions of each."""
    fractions = {
        name: ", ".join(percent(one.p_s) for one in rivals if one.name == name)
        for name in dict.fromkeys(one.name for one in rivals)
    }
    return " and ".join(f"{name} at {some} of the labels" for name, some in fractions.items())


def _subject(one: Choice | Rivals) -> str:
    return f"{one.name} at {percent(one.p_s)} of the labels"
