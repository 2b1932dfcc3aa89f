"""The findings about the models of a study of probes, in plain sentences."""

from collections.abc import Sequence
from functools import partial

from musicssl.evaluation.metrics import metric_info, percent
from musicssl.evaluation.statistics.significance import FEWEST_SEEDS, p_equation
from musicssl.report.analysis.probe_boards import ProbeBoard
from musicssl.report.analysis.probe_study import ProbeComparison, ProbeStudy
from musicssl.report.write.verdicts import SIGNIFICANT, Claim, capitalised, count, findings


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
        f"{_sentences(some)}"
        for p_s, some in by_fraction.items()
    ]


def _sentences(comparisons: Sequence[ProbeComparison]) -> str:
    enough = [one for one in comparisons if one.claim is not None]
    few = [one for one in comparisons if one.claim is None]
    baseline = comparisons[0].other
    sentences = findings(list(map(_claim, enough)), baseline, "model")[1] if enough else []
    if few:
        best = max(few, key=gain)
        of = "" if len(few) == 1 else f", the most of {count(len(few), 'model')}"
        sentences.append(
            f"{best.model} measures {best.test.difference:+.4f} {metric_info(best.metric).heading} "
            f"against {baseline}{of}; {_seeds_needed(best)}."
        )
    return " ".join(sentences)


def _claim(one: ProbeComparison) -> Claim:
    evidence = partial(_evidence, one)
    return Claim(one.model, gain(one), one.test.difference, is_probe_difference(one), evidence)


def _seeds_needed(one: ProbeComparison) -> str:
    """Say what is missing for a claim."""
    counts = {"training": one.trainings, "draw of labelled clips": one.draws}
    lacking = [
        noun for noun, number in counts.items() if number is not None and number < FEWEST_SEEDS
    ]
    nouns = [noun.replace("training", "trainings").replace("draw ", "draws ") for noun in lacking]
    return f"a claim needs at least {FEWEST_SEEDS} {' and '.join(nouns)} of both"


def _evidence(one: ProbeComparison) -> str:
    assert one.claim is not None
    assert one.p_claim is not None
    low, high = one.claim.interval
    seeds = "" if one.trainings is None else f", {count(one.trainings, 'training')} or more of each"
    return (
        f"{one.test.difference:+.4f} {metric_info(one.metric).heading} (95 % interval {low:+.4f} "
        f"to {high:+.4f}, {p_equation(one.p_claim)} after Holm's correction{seeds})"
    )
