"""From results of probes to boards: models on the same clips, over training seeds and labels."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from musicssl.errors import InputError
from musicssl.evaluation.metrics import metric_info, primary_metric
from musicssl.evaluation.statistics.spread import Spread, spread
from musicssl.report.analysis.grouping import unique_labels
from musicssl.report.read.probe_results import ProbeResult
from musicssl.report.read.test_set import Truth

_USUAL_BASELINES = ("untrained", "statistics")  # kinds of embeddings, the first there is


@dataclass(frozen=True)
class Bootstrapped(Spread):
    """A single value, which has no spread over seeds, and its interval over test clips.

    Attributes:
        low: End of the 95 % interval.
        high: The other one.
    """

    low: float
    high: float

    @property
    def seeds(self) -> int:
        """None to tell: the interval is not over seeds."""
        return 0

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True, eq=False)
class ProbedModel:
    """Results that differ only in the training seed: one row of a table, one curve.

    A training may have been probed more than once, with other fractions of labels or more draws.

    Attributes:
        label: The name, made unique by settings where it is not.
        name: Of the training run, the encoder or the file.
        kind: What made the embeddings.
        results: Of all training seeds.
    """

    label: str
    name: str
    kind: str
    results: Sequence[ProbeResult]

    @property
    def p_s(self) -> list[float]:
        """Fractions of labels for which there are probes, ascending."""
        return sorted({p_s for result in self.results for p_s in result.cells})

    def at(self, p_s: float) -> list[ProbeResult]:
        """List the results of a fraction of labels: of each training, that of the most draws."""
        by_seed: dict[int | None, ProbeResult] = {}
        for result in sorted(self.results, key=lambda result: len(result.rows(p_s))):
            if p_s in result.cells:
                by_seed[result.seed] = result
        return list(by_seed.values())

    def labelled(self, p_s: float) -> int:
        """Return the clips that a probe learns from."""
        return self.at(p_s)[0].cells[p_s].labelled

    def values(self, p_s: float, metric: str) -> list[float]:
        """Return a metric of each training seed, mean over draws of labelled clips."""
        return [result.cells[p_s].mean[metric] for result in self.at(p_s)]

    def spread(self, p_s: float, metric: str) -> Spread:
        """Take mean and spread over training seeds; of one alone, its interval if there is one."""
        over = spread(self.values(p_s, metric))
        if over.n != 1:
            return over
        [interval] = [
            result.cells[p_s].interval.get(metric)
            for result in self.at(p_s)
            if result.cells[p_s].mean[metric] == over.mean
        ]
        if interval is None or isnan(interval[0]):
            return over
        return Bootstrapped(over.mean, over.sd, 1, *interval)


@dataclass(frozen=True, eq=False)
class ProbeBoard:
    """Models judged by one kind of probe on the same clips of one corpus.

    Attributes:
        title: Probe and corpus, and settings where other boards have the same.
        models: The baseline first.
        metric: What tables and curves are of.
    """

    title: str
    models: Sequence[ProbedModel]
    metric: str

    @property
    def baseline(self) -> ProbedModel:
        """What the others are compared with."""
        return self.models[0]

    @property
    def first(self) -> ProbeResult:
        """A result, for what they share."""
        return self.baseline.results[0]

    @property
    def probe(self) -> str:
        """The word typed after `probe=`."""
        return self.first.probe

    @property
    def place(self) -> str:
        """The corpus, and settings where other boards have the same."""
        return self.title.removeprefix(f"{self.probe} probe of ")

    @property
    def metric_name(self) -> str:
        """What to call the metric."""
        return metric_info(self.metric).heading

    @property
    def chance(self) -> float | None:
        """What the best constant answer reaches; None if that is not known."""
        return self.first.chance.get(self.metric)

    @property
    def p_s(self) -> list[float]:
        """All fractions of labels, ascending."""
        return sorted({p_s for model in self.models for p_s in model.p_s})


def boards_of(
    results: Sequence[ProbeResult], metric: str | None, baseline: str | None
) -> list[ProbeBoard]:
    """Sort results into boards, in the order of their titles.

    Args:
        results: At least one.
        metric: For the tables; where a board lacks it, and for None, the usual one of its corpus.
        baseline: Label or name of the model to compare with; where a board lacks it, and for None,
            a network that has learnt nothing, else statistics of the input, else the first.

    Raises:
        InputError: If two results contradict each other that should be of one model.
    """
    labels = _model_labels(results)
    exams: defaultdict[tuple[int, str], list[ProbeResult]] = defaultdict(list)
    for result in results:  # results that compare share their truth
        exams[id(result.truth), result.probe].append(result)
    exams_of = list(exams.values())
    truths = [some[0].truth for some in exams_of]
    names = [f"{some[0].probe} probe of {some[0].corpus}" for some in exams_of]
    titles = unique_labels(list(zip(names, map(_settings_of_exam, truths), strict=True)))
    boards = [
        _board(title, some, labels, metric, baseline)
        for title, some in zip(titles, exams_of, strict=True)
    ]
    return sorted(boards, key=lambda board: board.title)


def _settings_of_exam(truth: Truth) -> dict[str, str]:
    return {**truth.corpus, "clips.test": str(len(truth.clip_ids))}


def _model_labels(results: Sequence[ProbeResult]) -> dict[tuple[tuple[str, str], ...], str]:
    """Label each model, by its key; the same on all boards."""
    models = {_key(result): result for result in results}
    named = [(result.name, result.settings) for result in models.values()]
    return dict(zip(models, unique_labels(named), strict=True))


def _key(result: ProbeResult) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({**result.settings, "name": result.name}.items()))


def _board(
    title: str,
    results: Sequence[ProbeResult],
    labels: Mapping[tuple[tuple[str, str], ...], str],
    metric: str | None,
    baseline: str | None,
) -> ProbeBoard:
    members: defaultdict[str, list[ProbeResult]] = defaultdict(list)
    for result in results:
        label = labels[_key(result)]
        _check_twins(result, [one for one in members[label] if one.seed == result.seed])
        members[label].append(result)
    models = [
        ProbedModel(label, some[0].name, some[0].kind, some)
        for label, some in sorted(members.items())
    ]
    shared = set.intersection(
        *(set(cell.mean) for result in results for cell in result.cells.values())
    )
    chosen = primary_metric(shared, metric if metric is not None else results[0].metric)
    return ProbeBoard(title, _baseline_first(models, baseline), chosen)


def _check_twins(result: ProbeResult, twins: Sequence[ProbeResult]) -> None:
    """Make sure that results of one name, settings and training seed are of one model."""
    for twin in twins:
        if result.contradicts(twin):
            raise InputError(
                f"{twin.folder} and {result.folder} should be probes of the same model, but the "
                "same labelled clips give other results; name only one of them."
            )


def _baseline_first(models: Sequence[ProbedModel], name: str | None) -> list[ProbedModel]:
    named = [model for model in models if name in (model.label, model.name)]
    usual = [model for kind in _USUAL_BASELINES for model in models if model.kind == kind]
    first = [*named, *usual, *models][0]
    return [first, *(model for model in models if model is not first)]
