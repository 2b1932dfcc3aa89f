"""What probes show, in plain sentences."""

from collections.abc import Sequence

from musicssl.evaluation.metrics import metric_info, percent
from musicssl.evaluation.statistics.p_values import p_equation
from musicssl.report.analysis.probe_boards import ProbeBoard
from musicssl.report.analysis.probe_comparisons import ProbeComparison
from musicssl.report.analysis.probe_study import OUTDATED, ProbeStudy
from musicssl.report.write.sentences import SIGNIFICANT, unfinished_sentence
from musicssl.report.write.web_page import count


def probe_verdict(study: ProbeStudy) -> list[str]:
    """Say for each board and fraction of labels whether a model beats the baseline."""
    return [
        line
        for board, comparisons in zip(study.boards, study.comparisons, strict=True)
        for line in _of_board(board, comparisons)
    ]


def probe_notes(study: ProbeStudy) -> list[str]:
    """Say what was left out."""
    lines = [unfinished_sentence(study.unfinished)] if study.unfinished else []
    outdated = ", ".join(map(str, study.outdated))
    return [*lines, OUTDATED.format(outdated)] if outdated else lines


def _of_board(board: ProbeBoard, comparisons: Sequence[ProbeComparison]) -> list[str]:
    title = board.title[0].upper() + board.title[1:]
    if len(board.models) == 1:
        return [f"{title}: there is one model, {board.baseline.label}: nothing to compare it with."]
    if not comparisons:
        return [f"{title}: no other model has a fraction of labels of {board.baseline.label}."]
    return [
        f"{title}, at {percent(p_s)} of the labels ({count(some[0].labelled, 'clip')}): "
        f"{_finding(some)}."
        for p_s in dict.fromkeys(one.p_s for one in comparisons)
        if (some := [one for one in comparisons if one.p_s == p_s])
    ]


def _finding(comparisons: Sequence[ProbeComparison]) -> str:
    baseline = comparisons[0].other
    winners = [one for one in comparisons if gain(one) > 0 and is_significant(one)]
    best = max(winners or comparisons, key=gain)
    if winners:
        highest = max(comparisons, key=gain)
        doubt = "" if highest is best else f"; {highest.model} gains more, but less surely"
        return f"{best.model} scores higher than {baseline}: {_evidence(best)}{doubt}"
    if all(gain(one) < 0 and is_significant(one) for one in comparisons):
        return f"every other model falls short of {baseline}; least so {best.model}: " + _evidence(
            best
        )
    return (
        f"no model is shown to beat {baseline}; the best of the others is {best.model}: "
        + _evidence(best)
    )


def gain(one: ProbeComparison) -> float:
    """Return by how much a model is better than the baseline; of an error, the less the better."""
    return (
        -one.test.difference if metric_info(one.metric).smaller_is_better else one.test.difference
    )


def is_significant(one: ProbeComparison) -> bool:
    """Whether there is a difference, after correction."""
    return one.p_holm < SIGNIFICANT


def _evidence(one: ProbeComparison) -> str:
    p = p_equation(one.p_holm, is_bound=one.test.p_is_bound)
    return (
        f"{one.test.difference:+.4f} {metric_info(one.metric).heading} (95 % interval "
        f"{one.test.low:+.4f} to {one.test.high:+.4f}, {p} "
        "after Holm's correction)"
    )
