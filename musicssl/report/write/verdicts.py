"""The findings of a report, in plain sentences."""

from collections.abc import Sequence

from musicssl.evaluation.metrics import metric_info, percent
from musicssl.evaluation.statistics.significance import FEWEST_SEEDS, p_equation
from musicssl.report.analysis.comparisons import TESTED, Comparison
from musicssl.report.analysis.grouping import Method
from musicssl.report.analysis.labels_needed import Match
from musicssl.report.analysis.probe_boards import ProbeBoard
from musicssl.report.analysis.probe_study import ProbeComparison, ProbeStudy
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


def verdict(study: Study) -> list[str]:
    """Say for each fraction of labels which methods are better or worse than the baseline.

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


def is_difference(one: Comparison) -> bool:
    """Whether one of two methods is shown to be better: the p value is small, the seeds suffice."""
    return one.has_enough_seeds and one.p_baseline is not None and one.p_baseline < SIGNIFICANT


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
    if not tested:
        return f"{place} no other method has a run with a seed of {baseline.label}."
    enough = [one for one in tested if one.has_enough_seeds]
    few = [one for one in tested if not one.has_enough_seeds]
    best, sentences = (_finding if enough else _measured)(enough or few, baseline.label)
    if enough and few:
        sentences += _measured(few, baseline.label)[1]
    text = f"{place} {' '.join(sentences)}"
    return text if metric == TESTED else f"{text} {_means(best, methods, metric)}"


def _finding(tested: Sequence[Comparison], baseline: str) -> tuple[Comparison, list[str]]:
    """Return the best method, and sentences on what is found of it and of those that are worse."""
    winners = [one for one in tested if _difference(one) > 0 and is_difference(one)]
    losers = [one for one in tested if _difference(one) < 0 and is_difference(one)]
    best = max(winners or tested, key=_difference)
    evidence = _evidence(best)
    if winners:
        highest = max(tested, key=_difference)
        doubt = "" if highest is best else f"; {highest.method} gains more, but not significantly"
        found = f"{best.method} beats {baseline}: {evidence}{doubt}."
    elif len(losers) == len(tested) == 1:
        return best, [f"{best.method} is worse than {baseline}: {evidence}."]
    elif len(losers) == len(tested):
        all_are = f"every other method is worse than {baseline}"
        return best, [f"{all_are}; the closest is {best.method}: {evidence}."]
    else:
        none = f"no method is shown to beat {baseline}"
        found = f"{none}; the best of the others is {best.method}: {evidence}."
    return best, [found, *_worse([(one.method, _difference(one)) for one in losers], baseline)]


def _worse(losers: Sequence[tuple[str, float]], baseline: str) -> list[str]:
    """Name the methods that are worse than the baseline, with their differences."""
    if not losers:
        return []
    names = " and ".join(f"{name} ({difference:+.4f})" for name, difference in losers)
    return [f"{names} {'is' if len(losers) == 1 else 'are'} worse than {baseline}."]


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


# --- probes


def probe_verdict(study: ProbeStudy) -> list[str]:
    """Say for each board and fraction of labels which models are better or worse."""
    return [
        line
        for board, comparisons in zip(study.boards, study.comparisons, strict=True)
        for line in _of_board(board, comparisons)
    ]


def gain(one: ProbeComparison) -> float:
    """Return by how much a model is better than the baseline; of an error, by how much less."""
    smaller_is_better = metric_info(one.metric).smaller_is_better
    return -one.test.difference if smaller_is_better else one.test.difference


def is_probe_difference(one: ProbeComparison) -> bool:
    """Whether one of two models is shown to be better: the p value is small, the seeds suffice."""
    return one.p_claim is not None and one.p_claim < SIGNIFICANT


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
        f"{_probe_finding(some)}"
        for p_s, some in by_fraction.items()
    ]


def _probe_finding(comparisons: Sequence[ProbeComparison]) -> str:
    enough = [one for one in comparisons if one.claim is not None]
    few = [one for one in comparisons if one.claim is None]
    baseline = comparisons[0].other
    sentences = _probe_claims(enough, baseline) if enough else []
    if few:
        best = max(few, key=gain)
        of = "" if len(few) == 1 else f", the most of {count(len(few), 'model')}"
        sentences.append(
            f"{best.model} measures {best.test.difference:+.4f} {metric_info(best.metric).heading} "
            f"against {baseline}{of}; {_seeds_needed(best)}."
        )
    return " ".join(sentences)


def _probe_claims(tested: Sequence[ProbeComparison], baseline: str) -> list[str]:
    """Say which models are better or worse than the baseline."""
    winners = [one for one in tested if gain(one) > 0 and is_probe_difference(one)]
    losers = [one for one in tested if gain(one) < 0 and is_probe_difference(one)]
    best = max(winners or tested, key=gain)
    evidence = _probe_evidence(best)
    if winners:
        highest = max(tested, key=gain)
        doubt = "" if highest is best else f"; {highest.model} gains more, but not significantly"
        found = f"{best.model} beats {baseline}: {evidence}{doubt}."
    elif len(losers) == len(tested) == 1:
        return [f"{best.model} is worse than {baseline}: {evidence}."]
    elif len(losers) == len(tested):
        all_are = f"every other model is worse than {baseline}"
        return [f"{all_are}; the closest is {best.model}: {evidence}."]
    else:
        none = f"no model is shown to beat {baseline}"
        found = f"{none}; the best of the others is {best.model}: {evidence}."
    return [found, *_worse([(one.model, one.test.difference) for one in losers], baseline)]


def _seeds_needed(one: ProbeComparison) -> str:
    """Say what is missing for a claim."""
    counts = {"training": one.trainings, "draw of labelled clips": one.draws}
    lacking = [
        noun for noun, number in counts.items() if number is not None and number < FEWEST_SEEDS
    ]
    nouns = [noun.replace("training", "trainings").replace("draw ", "draws ") for noun in lacking]
    return f"a claim needs at least {FEWEST_SEEDS} {' and '.join(nouns)} of both"


def _probe_evidence(one: ProbeComparison) -> str:
    assert one.claim is not None
    assert one.p_claim is not None
    low, high = one.claim.interval
    seeds = "" if one.trainings is None else f", {count(one.trainings, 'training')} or more of each"
    return (
        f"{one.test.difference:+.4f} {metric_info(one.metric).heading} (95 % interval {low:+.4f} "
        f"to {high:+.4f}, {p_equation(one.p_claim)} after Holm's correction{seeds})"
    )
