"""The findings of a report, in plain sentences."""

from collections.abc import Sequence

from musicssl.evaluation.metrics import metric_info, percent
from musicssl.evaluation.statistics.p_values import p_equation
from musicssl.report.analysis.comparisons import TESTED, Comparison
from musicssl.report.analysis.grouping import Method
from musicssl.report.analysis.labels_needed import Match
from musicssl.report.analysis.probe_boards import ProbeBoard
from musicssl.report.analysis.probe_study import ProbeComparison, ProbeStudy
from musicssl.report.analysis.study import Study

SIGNIFICANT = 0.05  # corrected p values below it are called a difference


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


def verdict(study: Study) -> list[str]:
    """Say for each fraction of labels whether a method beats the baseline.

    Where settings were chosen on validation clips, the chosen ones have sentences of their own.
    """
    if len(study.methods) == 1:
        return [f"There is one method, {study.baseline.label}: nothing to compare it with."]
    if not study.has_classes:
        return [
            "Differences in a regression are not tested; the tables have the spread over seeds."
        ]
    lines = [_at_fraction(p_s, study.comparisons, study.methods, study.metric) for p_s in study.p_s]
    best = study.best_settings
    chosen = [
        _at_fraction(p_s, best.comparisons, best.contenders, study.metric)
        for p_s in sorted({choice.p_s for choice in best.choices})
    ]
    return [*lines, *(f"Settings chosen on validation: {line}" for line in chosen)]


def match_sentence(match: Match, baseline: str) -> str:
    """Say how many labels the baseline needs to match a method."""
    return (
        f"{match.method} at {percent(match.p_s)} ({count(round(match.labelled), 'clip')}) = "
        f"{baseline} with this many clips: {' '.join(match.parts)}"
    )


def _at_fraction(
    p_s: float, comparisons: Sequence[Comparison], methods: Sequence[Method], metric: str
) -> str:
    """Say whether a method beats the first one at a fraction of labels."""
    baseline = methods[0]
    place = f"At {percent(p_s)} of the labels"
    if p_s not in baseline.cells:
        return f"{place} {baseline.label} has no runs, so nothing can be compared with it."
    place += f" ({count(round(baseline.cells[p_s].labelled), 'clip')})"
    tested = [
        one for one in comparisons if one.with_baseline and one.p_s == p_s and one.test is not None
    ]
    if not tested:
        return f"{place} no other method has a run with a seed of {baseline.label}."
    best, finding, doubt = _finding(tested, baseline.label)
    sentence = f"{place} {finding}: {_evidence(best)}{doubt}."
    return sentence if metric == TESTED else f"{sentence} {_means(best, methods, metric)}"


def _finding(tested: Sequence[Comparison], baseline: str) -> tuple[Comparison, str, str]:
    """Return the best method, what is found of it, and a doubt about that."""
    winners = [one for one in tested if _difference(one) > 0 and _is_significant(one)]
    best = max(winners or tested, key=_difference)
    if winners:
        highest = max(tested, key=_difference)
        doubt = "" if highest is best else f"; {highest.method} gains more, but not significantly"
        beats = "beats" if len(best.seeds) > 1 else "scores higher than"
        return best, f"{best.method} {beats} {baseline}", doubt
    if all(_difference(one) < 0 and _is_significant(one) for one in tested):
        return best, f"every other method falls short of {baseline}; least so {best.method}", ""
    none = f"no method is shown to beat {baseline}; the best of the others is {best.method}"
    return best, none, ""


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
        f"{one.test.difference:+.4f} {metric_info(TESTED).heading} (95 % interval {low:+.4f} to "
        f"{high:+.4f}, {p_equation(one.p_baseline)} after Holm's correction, {seeds})"
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


# --- probes


def probe_verdict(study: ProbeStudy) -> list[str]:
    """Say for each board and fraction of labels whether a model beats the baseline."""
    return [
        line
        for board, comparisons in zip(study.boards, study.comparisons, strict=True)
        for line in _of_board(board, comparisons)
    ]


def gain(one: ProbeComparison) -> float:
    """Return by how much a model is better than the baseline; of an error, by how much less."""
    smaller_is_better = metric_info(one.metric).smaller_is_better
    return -one.test.difference if smaller_is_better else one.test.difference


def is_significant(one: ProbeComparison) -> bool:
    """Whether there is a difference, after correction."""
    return one.p_holm < SIGNIFICANT


def _of_board(board: ProbeBoard, comparisons: Sequence[ProbeComparison]) -> list[str]:
    title = capitalised(board.title)
    if len(board.models) == 1:
        return [f"{title}: there is one model, {board.baseline.label}: nothing to compare it with."]
    if not comparisons:
        return [f"{title}: no other model has a fraction of labels of {board.baseline.label}."]
    by_fraction = {
        p_s: [one for one in comparisons if one.p_s == p_s]
        for p_s in dict.fromkeys(one.p_s for one in comparisons)
    }
    return [
        f"{title}, at {percent(p_s)} of the labels ({count(some[0].labelled, 'clip')}): "
        f"{_probe_finding(some)}."
        for p_s, some in by_fraction.items()
    ]


def _probe_finding(comparisons: Sequence[ProbeComparison]) -> str:
    baseline = comparisons[0].other
    winners = [one for one in comparisons if gain(one) > 0 and is_significant(one)]
    best = max(winners or comparisons, key=gain)
    evidence = _probe_evidence(best)
    if winners:
        highest = max(comparisons, key=gain)
        doubt = "" if highest is best else f"; {highest.model} gains more, but not significantly"
        return f"{best.model} scores higher than {baseline}: {evidence}{doubt}"
    if all(gain(one) < 0 and is_significant(one) for one in comparisons):
        return f"every other model falls short of {baseline}; least so {best.model}: {evidence}"
    return (
        f"no model is shown to beat {baseline}; the best of the others is {best.model}: {evidence}"
    )


def _probe_evidence(one: ProbeComparison) -> str:
    p = p_equation(one.p_holm, is_bound=one.test.p_is_bound)
    return (
        f"{one.test.difference:+.4f} {metric_info(one.metric).heading} (95 % interval "
        f"{one.test.low:+.4f} to {one.test.high:+.4f}, {p} after Holm's correction)"
    )
