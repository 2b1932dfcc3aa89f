"""What a study shows, in plain sentences."""

from collections.abc import Callable, Sequence
from pathlib import Path

from musicssl.evaluation.metrics import metric_info, percent
from musicssl.evaluation.statistics.p_values import p_equation
from musicssl.report.analysis.common_fraction import covered
from musicssl.report.analysis.comparisons import TESTED, Comparison
from musicssl.report.analysis.grouping import Method
from musicssl.report.analysis.matching import Match
from musicssl.report.analysis.probed import has_probes
from musicssl.report.analysis.study import Study
from musicssl.report.read.runs import Run
from musicssl.report.read.settings import ABSENT, differing
from musicssl.report.write.choice_sentences import choice_notes
from musicssl.report.write.web_page import count

SIGNIFICANT = 0.05  # greatest p value, corrected, of what is called a difference
_LISTED = 5


def verdict(study: Study) -> list[str]:
    """Say for each fraction of labels whether a method beats the baseline.

    Where validation chooses among settings, the same is said of what comes of it.
    """
    if len(study.methods) == 1:
        return [f"There is one method, {study.baseline.label}: nothing to compare it with."]
    if study.is_regression:
        return [
            "Differences in a regression are not tested; the tables have the spread over seeds."
        ]
    shown = [one for one in study.comparisons if one.with_baseline]
    lines = [_at(p_s, shown, study.methods, study.metric) for p_s in study.p_s]
    best = study.best_settings
    for p_s in sorted({choice.p_s for choice in best.choices}):
        compared = [one for one in best.comparisons if one.with_baseline]
        found = _at(p_s, compared, best.contenders, study.metric)
        lines.append(f"Settings chosen on validation: {found}")
    return lines


def notes(study: Study) -> list[str]:
    """Say what was left out, and what there is too little of."""
    lines = []
    if study.is_tested_on_another_metric:
        lines.append(
            f"Tables and curves are of {study.metric_name}. Differences between methods are tested "
            f"on macro {metric_info(TESTED).heading}, whose variance over test clips is known."
        )
    if study.unfinished:
        lines.append(unfinished_sentence(study.unfinished))
    lines += _unequal_training(study.methods)
    if len(study.p_s) == 1:
        only = percent(study.p_s[0])
        lines.append(f"All runs have {only} of the labels, so there is no curve over labels.")
    elif not study.matches and len(study.methods) > 1:
        lines.append(
            f"{study.baseline.label} has runs at one fraction of labels, so it cannot be said how "
            "many labels it needs to match the others."
        )
    lines += [*_judged_by_probes(study.methods), *_partly_known(study)]
    lines += choice_notes(study.best_settings)
    if study.is_crowded:
        lines.append(
            f"Pictures of classes and of labelled clips show the settings chosen on validation, "
            f"for there are {len(study.methods)} methods."
        )
    uneven = sum(bool(one.left_out) for one in study.comparisons if one.with_baseline)
    if uneven:
        lines.append(
            f"Seeds that only one method has are left out of {uneven} of the comparisons with the "
            "baseline; the table says which."
        )
    return lines


def unfinished_sentence(folders: Sequence[Path]) -> str:
    """Name folders that were left out, but for those beyond the first few."""
    listed = ", ".join(map(str, folders[:_LISTED]))
    more = len(folders) - _LISTED
    listed += f", and {more} more" if more > 0 else ""
    return f"Left out, for they are not finished: {listed}."


def _judged_by_probes(methods: Sequence[Method]) -> list[str]:
    """Say whose scores are not those of a network trained for the task."""
    labels = [method.label for method in methods if any(map(has_probes, method.runs))]
    if not labels:
        return []
    return [f"Scores of {', '.join(labels)} are those of a linear probe on frozen embeddings."]


def _partly_known(study: Study) -> list[str]:
    """Say which parts of the report are left out because not all runs have what they show."""
    lines = []
    if study.corrupted is None:
        what = "What corruptions of sound do is"
        file = "a robustness.csv, which corruption=all makes"
        lines += _left_out(study, lambda run: run.robustness is not None, what, file)
    if study.probed is None:
        what = "Curves of linear probes over labelled clips are"
        file = "a label_curve.csv, as methods that learn embeddings do"
        lines += _left_out(study, has_probes, what, file)
    return lines


def _left_out(study: Study, has: Callable[[Run], bool], what: str, file: str) -> list[str]:
    runs = [run for method in study.methods for run in method.runs]
    having = sum(map(has, runs))
    if having == 0:
        return []
    if covered(study.methods, has) is not None:
        reason = "the runs differ in the corruptions or severities that they were tested under"
    elif having < len(runs):
        reason = f"{having} of {len(runs)} runs have {file}"
    else:
        reason = "the methods have no fraction of labels in common"
    return [f"{what} left out: {reason}."]


def match_sentence(match: Match, baseline: str) -> str:
    """Say how many labels the baseline needs to match a method."""
    return (
        f"{match.method} at {percent(match.p_s)} ({count(round(match.labelled), 'clip')}) = "
        f"{baseline} with this many clips: {' '.join(match.parts)}"
    )


def _unequal_training(methods: Sequence[Method]) -> list[str]:
    """Say in which settings of the trainer methods differ, which a reader may take for a merit."""
    lines = []
    for key in differing([method.settings for method in methods]):
        if key.startswith("trainer."):
            values = (f"{m.label} {m.settings.get(key, ABSENT)}" for m in methods)
            lines.append(f"The methods were not trained alike: {key} is {', '.join(values)}.")
    return lines


def _at(
    p_s: float, comparisons: Sequence[Comparison], methods: Sequence[Method], metric: str
) -> str:
    compared_with = methods[0]
    baseline = compared_with.label
    place = f"At {percent(p_s)} of the labels"
    if p_s not in compared_with.cells:
        return f"{place} {baseline} has no runs, so nothing can be compared with it."
    place += f" ({count(round(compared_with.cells[p_s].labelled), 'clip')})"
    tested = [one for one in comparisons if one.p_s == p_s and one.test is not None]
    if not tested:
        return f"{place} no other method has a run with a seed of {baseline}."
    winners = [one for one in tested if _difference(one) > 0 and _is_significant(one)]
    best = max(winners or tested, key=_difference)
    if winners:
        highest = max(tested, key=_difference)
        doubt = "" if highest is best else f"; {highest.method} gains more, but less surely"
        beats = "beats" if len(best.seeds) > 1 else "scores higher than"
        found = f"{place} {best.method} {beats} {baseline}: {_evidence(best)}{doubt}."
        return found + _means(best, methods, metric)
    if all(_difference(one) < 0 and _is_significant(one) for one in tested):
        finding = f"every other method falls short of {baseline}; least so"
    else:
        finding = f"no method is shown to beat {baseline}; the best of the others is"
    return f"{place} {finding} {best.method}: {_evidence(best)}." + _means(best, methods, metric)


def _means(best: Comparison, methods: Sequence[Method], metric: str) -> str:
    """Add the means of the main metric, if it is not the one that was tested."""
    if metric == TESTED:
        return ""
    of = {method.label: method.cells[best.p_s].spread(metric).mean for method in methods[:1]}
    of |= {
        m.label: m.cells[best.p_s].spread(metric).mean for m in methods if m.label == best.method
    }
    name = metric_info(metric).heading
    return (
        f" The {name} of {best.method} is {of[best.method]:.4f}, that of {best.other} "
        f"{of[best.other]:.4f}."
    )


def _difference(one: Comparison) -> float:
    assert one.test is not None
    return one.test.difference


def _is_significant(one: Comparison) -> bool:
    return one.p_baseline is not None and one.p_baseline < SIGNIFICANT


def _evidence(one: Comparison) -> str:
    assert one.test is not None
    assert one.p_baseline is not None
    low, high = one.test.interval
    seeds = f"{len(one.seeds)} seeds" if len(one.seeds) > 1 else one.caveat
    return (
        f"{one.test.difference:+.4f} AUROC (95 % interval {low:+.4f} to {high:+.4f}, "
        f"{p_equation(one.p_baseline)} after Holm's correction, {seeds})"
    )
