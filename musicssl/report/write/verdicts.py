"""The findings about the methods of a study, in plain sentences."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from musicssl.evaluation.metrics import metric_info, percent
from musicssl.evaluation.statistics.significance import FEWEST_SEEDS, p_equation
from musicssl.report.analysis.comparisons import TESTED, Comparison
from musicssl.report.analysis.grouping import Method
from musicssl.report.analysis.labels_needed import Match
from musicssl.report.analysis.study import Study

SIGNIFICANT = 0.05  # corrected p values below it are called a difference
NEEDED = f"a claim needs at least {FEWEST_SEEDS} seeds of both"


def capitalised(text: str) -> str:
    """Begin a text with a capital letter.

    >>> capitalised("weighted accuracy")
    'Weighted accuracy'
    """
    return text[0].upper() + text[1:]


def count(number: int, noun: str) -> str:
    """Write a number of things.

    >>> count(1, "class"), count(2000, "class"), count(2, "run")
    ('1 class', '2,000 classes', '2 runs')
    """
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


class Claim(NamedTuple):
    """The result of a test of a method or a model.

    Attributes:
        name: Name of the method or model.
        gain: By how much it is better than the baseline.
        difference: Difference of the metric, of which a smaller value may be better.
        is_shown: Whether the difference is significant.
        evidence: Writes the difference with its interval and p value.
    """

    name: str
    gain: float
    difference: float
    is_shown: bool
    evidence: Callable[[], str]


def findings(claims: Sequence[Claim], baseline: str, noun: str) -> tuple[Claim, list[str]]:
    """Return the best claim, and sentences on it and on those that are worse than the baseline.

    Args:
        claims: At least one.
        baseline: Name of the baseline.
        noun: What is compared, "method" or "model".
    """
    winners = [one for one in claims if one.gain > 0 and one.is_shown]
    losers = [one for one in claims if one.gain < 0 and one.is_shown]
    best = max(winners or claims, key=lambda one: one.gain)
    evidence = best.evidence()
    if winners:
        highest = max(claims, key=lambda one: one.gain)
        doubt = "" if highest is best else f"; {highest.name} gains more, but not significantly"
        found = f"{best.name} beats {baseline}: {evidence}{doubt}."
    elif len(losers) == len(claims) == 1:
        return best, [f"{best.name} is worse than {baseline}: {evidence}."]
    elif len(losers) == len(claims):
        all_are = f"every other {noun} is worse than {baseline}"
        return best, [f"{all_are}; the closest is {best.name}: {evidence}."]
    else:
        none = f"no {noun} is shown to beat {baseline}"
        found = f"{none}; the best of the others is {best.name}: {evidence}."
    return best, [found, *_worse(losers, baseline)]


def _worse(losers: Sequence[Claim], baseline: str) -> list[str]:
    """Name the methods that are worse than the baseline, with their differences."""
    if not losers:
        return []
    names = " and ".join(f"{one.name} ({one.difference:+.4f})" for one in losers)
    return [f"{names} {'is' if len(losers) == 1 else 'are'} worse than {baseline}."]


def verdict(study: Study) -> list[str]:
    """Say for each fraction of labels which methods are better or worse than the baseline.

    If settings were chosen on validation clips, there are separate sentences on the chosen ones.
    """
    if len(study.methods) == 1:
        return [f"There is one method, {study.baseline.label}: nothing to compare it with."]
    if not study.has_classes:
        return [
            "Differences in a regression are not tested; the tables have the spread over seeds."
        ]
    best = study.best_settings
    several = len(best.contenders) > 1
    fractions = sorted({choice.p_s for choice in best.choices}) if several else []
    return [
        *_by_fraction(study.p_s, study.comparisons, study.methods, study.metric),
        *(
            f"Settings chosen on validation: {line}"
            for line in _by_fraction(fractions, best.comparisons, best.contenders, study.metric)
        ),
    ]


def match_sentence(match: Match, baseline: str) -> str:
    """Say how many labels the baseline needs to match a method."""
    return (
        f"{match.method} at {percent(match.p_s)} ({count(round(match.labelled), 'clip')}) = "
        f"{baseline} with this many clips: {' '.join(match.parts)}"
    )


def is_difference(one: Comparison) -> bool:
    """Whether one of two methods is shown to be better: the p value is small, the seeds suffice."""
    return one.has_enough_seeds and one.p_baseline is not None and one.p_baseline < SIGNIFICANT


def _by_fraction(
    fractions: Sequence[float],
    comparisons: Sequence[Comparison],
    methods: Sequence[Method],
    metric: str,
) -> list[str]:
    """Say what is found at each fraction; fractions without a comparison share one line."""
    if not fractions:
        return []
    compared = {one.p_s for one in comparisons if one.with_baseline and one.test is not None}
    baseline = methods[0]
    alone = [p_s for p_s in fractions if p_s in baseline.cells and p_s not in compared]
    lines = [
        _at_fraction(p_s, comparisons, methods, metric) for p_s in fractions if p_s not in alone
    ]
    if alone:
        lines.append(
            f"At {', '.join(percent(p_s) for p_s in alone)} of the labels no other method has "
            f"a run with a seed of {baseline.label}."
        )
    return lines


def _at_fraction(
    p_s: float, comparisons: Sequence[Comparison], methods: Sequence[Method], metric: str
) -> str:
    """Say which methods are better or worse than the first one at a fraction of labels.

    Methods with fewer than `FEWEST_SEEDS` seeds in common with the first have their difference
    stated, and no more is said of them.
    """
    baseline = methods[0]
    place = f"At {percent(p_s)} of the labels"
    if p_s not in baseline.cells:
        return f"{place} {baseline.label} has no runs, so nothing can be compared with it."
    place += f" ({count(round(baseline.cells[p_s].labelled), 'clip')})"
    tested = [
        one for one in comparisons if one.with_baseline and one.p_s == p_s and one.test is not None
    ]
    enough = [one for one in tested if one.has_enough_seeds]
    few = [one for one in tested if not one.has_enough_seeds]
    best, sentences = (_finding if enough else _measured)(enough or few, baseline.label)
    if enough and few:
        sentences += _measured(few, baseline.label)[1]
    text = f"{place} {' '.join(sentences)}"
    return text if metric == TESTED else f"{text} {_means(best, methods, metric)}"


def _finding(tested: Sequence[Comparison], baseline: str) -> tuple[Comparison, list[str]]:
    """Return the best method, and sentences on what is found of it and of those that are worse."""
    claims = []
    for one in tested:
        gain, evidence = _difference(one), partial(_evidence, one)
        claims.append(Claim(one.method, gain, gain, is_difference(one), evidence))
    best, sentences = findings(claims, baseline, "method")
    return tested[claims.index(best)], sentences


def _measured(few: Sequence[Comparison], baseline: str) -> tuple[Comparison, list[str]]:
    """Return the best of the methods with few seeds, and its difference with no claim."""
    best = max(few, key=_difference)
    of = "" if len(few) == 1 else f", the most of {len(few)} methods"
    return best, [
        f"{best.method} measures {_difference(best):+.4f} {metric_info(TESTED).heading} against "
        f"{baseline} over {count(len(best.seeds), 'seed')}{of}; {NEEDED}."
    ]


def _difference(one: Comparison) -> float:
    assert one.test is not None
    return one.test.difference


def _evidence(one: Comparison) -> str:
    assert one.test is not None
    assert one.p_baseline is not None
    low, high = one.test.interval
    return (
        f"{one.test.difference:+.4f} {metric_info(TESTED).heading} (95 % interval {low:+.4f} to "
        f"{high:+.4f}, {p_equation(one.p_baseline)} after Holm's correction, "
        f"{count(len(one.seeds), 'seed')})"
    )


def _means(one: Comparison, methods: Sequence[Method], metric: str) -> str:
    """State the main metric of two methods that were compared on another one."""
    cells = {method.label: method.cells.get(one.p_s) for method in methods}
    value, baseline = (
        "undefined" if cell is None else f"{cell.spread(metric).mean:.4f}"
        for cell in (cells[one.method], cells[one.other])
    )
    name = metric_info(metric).heading
    return f"The {name} of {one.method} is {value}, that of {one.other} {baseline}."
