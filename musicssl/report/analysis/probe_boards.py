"""From results of probes to boards: models tested on the same clips, and the tables of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan

from musicssl.evaluation.metrics import metric_info, percent, primary_metric
from musicssl.evaluation.statistics.spread import Spread, spread
from musicssl.report.analysis.grids import Grid
from musicssl.report.analysis.grouping import unique_labels
from musicssl.report.read.evaluation_set import EvaluationSet
from musicssl.report.read.probe_results import ProbeResult

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
        """0, because the interval is not over seeds."""
        return 0

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True, eq=False)
class ProbedModel:
    """Results that differ only in the training seed: one row of a table, one curve.

    A training may have been probed more than once, with other fractions of labels or more draws.

    Attributes:
        label: The name, made unique by settings where it is not.
        name: Name of the training run, the encoder or the file.
        kind: What made the embeddings.
        results: Results of all training seeds.
    """

    label: str
    name: str
    kind: str
    results: Sequence[ProbeResult]

    @property
    def p_s(self) -> list[float]:
        """Fractions of labels for which there are probes, ascending."""
        return sorted({p_s for result in self.results for p_s in result.cells})

    @property
    def is_trained(self) -> bool:
        """Whether another seed gives another model, unlike statistics and embeddings of a file."""
        return self.results[0].seed is not None

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
        """Take mean and spread over training seeds; of a single one, its bootstrap interval."""
        over_seeds = spread(self.values(p_s, metric))
        if over_seeds.n != 1:
            return over_seeds
        [interval] = [
            result.cells[p_s].interval.get(metric)
            for result in self.at(p_s)
            if result.cells[p_s].mean[metric] == over_seeds.mean
        ]
        if interval is None or isnan(interval[0]):
            return over_seeds
        return Bootstrapped(over_seeds.mean, over_seeds.sd, 1, *interval)


@dataclass(frozen=True, eq=False)
class ProbeBoard:
    """Models tested by one kind of probe on the same clips of one corpus.

    Attributes:
        title: Probe and corpus, and settings where other boards have the same.
        models: The baseline first.
        metric: Metric of its tables and curves.
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
        """One of the results, to read what all share."""
        return self.baseline.results[0]

    @property
    def probe(self) -> str:
        """The word typed after `probe=`."""
        return self.first.probe

    @property
    def corpus(self) -> str:
        """The corpus, and settings where other boards have the same."""
        return self.title.removeprefix(f"{self.probe} probe of ")

    @property
    def metric_name(self) -> str:
        """The heading of the metric."""
        return metric_info(self.metric).heading

    @property
    def chance(self) -> float | None:
        """The metric of the best constant answer; None if it is not known."""
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
        results: None of which contradict each other, see `without_contradictions`.
        metric: For the tables; where a board lacks it, and for None, the primary metric of its
            corpus.
        baseline: Label or name of the model to compare with; where a board lacks it, and for None,
            an untrained network, else statistics of the input, else the first model.

    """
    labels = _model_labels(results)
    groups: defaultdict[tuple[int, str], list[ProbeResult]] = defaultdict(list)
    for result in results:  # comparable results share one object
        groups[id(result.test_set), result.probe].append(result)
    of_boards = list(groups.values())
    names = [f"{some[0].probe} probe of {some[0].corpus}" for some in of_boards]
    settings = [_conditions(some[0].test_set) for some in of_boards]
    titles = unique_labels(list(zip(names, settings, strict=True)))
    boards = [
        _board(title, some, labels, metric, baseline)
        for title, some in zip(titles, of_boards, strict=True)
    ]
    return sorted(boards, key=lambda board: board.title)


def _conditions(test_set: EvaluationSet) -> dict[str, str]:
    return {**test_set.corpus, "clips.test": str(len(test_set.clip_ids))}


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
        members[label].append(result)
    models = [
        ProbedModel(label, some[0].name, some[0].kind, some)
        for label, some in sorted(members.items())
    ]
    shared = set.intersection(
        *(set(cell.mean) for result in results for cell in result.cells.values())
    )
    chosen = primary_metric(sorted(shared), metric if metric is not None else results[0].metric)
    return ProbeBoard(title, _baseline_first(models, baseline), chosen)


def without_contradictions(
    results: Sequence[ProbeResult],
) -> tuple[list[ProbeResult], list[str]]:
    """Leave out results that should be of the model of an earlier one, and are of another.

    Their names, settings and training seeds are the same, but the same labelled clips give other
    values.

    Returns:
        The other results, and a sentence for each that is left out.
    """
    kept: defaultdict[object, list[ProbeResult]] = defaultdict(list)
    sentences = []
    for result in results:
        twins = kept[id(result.test_set), result.probe, _key(result), result.seed]
        other = next((twin for twin in twins if result.contradicts(twin)), None)
        if other is None:
            twins.append(result)
        else:
            sentences.append(
                f"Left out: {result.folder} should be a probe of the same model as {other.folder}, "
                "but the same labelled clips give other results."
            )
    sound = {id(result) for twins in kept.values() for result in twins}
    return [result for result in results if id(result) in sound], sentences


def _baseline_first(models: Sequence[ProbedModel], name: str | None) -> list[ProbedModel]:
    named = [model for model in models if name in (model.label, model.name)]
    usual = [model for kind in _USUAL_BASELINES for model in models if model.kind == kind]
    first = [*named, *usual, *models][0]
    return [first, *(model for model in models if model is not first)]


def board_grid(board: ProbeBoard) -> Grid:
    """Lay out a board: a row for each model, a column for each fraction of labels."""
    rows = {
        model.label: tuple(_cell(model, p_s, board.metric) for p_s in board.p_s)
        for model in board.models
    }
    errors = tuple(range(len(board.p_s))) if metric_info(board.metric).smaller_is_better else ()
    columns = tuple(_fraction_head(board, p_s) for p_s in board.p_s)
    title = f"{board.metric_name}, {board.title}"
    return _noted(Grid(title, columns, rows, errors, "model"), chance_text(board))


def matrices(boards: Sequence[ProbeBoard]) -> list[Grid]:
    """Lay out models over corpora at the most labels, for each kind of probe with several corpora.

    Each corpus has its own usual metric.
    """
    probes = sorted({board.probe for board in boards})
    of_probes = [[board for board in boards if board.probe == probe] for probe in probes]
    return [_matrix(some) for some in of_probes if len(some) > 1]


def chance_text(board: ProbeBoard) -> str:
    """Write the metric of the best constant answer; of a regression that is the mean target."""
    return "chance unknown" if board.chance is None else f"chance {board.chance:.4f}"


def _matrix(boards: Sequence[ProbeBoard]) -> Grid:
    # The baselines of the boards come first, the other models in the order of their labels.
    baselines = dict.fromkeys(board.baseline.label for board in boards)
    labels = sorted({model.label for board in boards for model in board.models} - set(baselines))
    of_boards = [{model.label: model for model in board.models} for board in boards]
    rows = {
        label: tuple(
            _cell(models.get(label), board.p_s[-1], board.metric)
            for board, models in zip(boards, of_boards, strict=True)
        )
        for label in [*baselines, *labels]
    }
    columns = tuple(f"{b.corpus}: {b.metric_name} at {percent(b.p_s[-1])}" for b in boards)
    errors = tuple(
        i for i, board in enumerate(boards) if metric_info(board.metric).smaller_is_better
    )
    title = f"{boards[0].probe} probes of {len(boards)} corpora at the most labels"
    chance = "; ".join(f"{board.corpus} {chance_text(board)}" for board in boards)
    return _noted(Grid(title, columns, rows, errors, "model"), chance)


def _noted(grid: Grid, chance: str) -> Grid:
    """Add a note on what the cells of a table are."""
    cells = [cell for row in grid.rows.values() for cell in row]
    notes = []
    if any(cell.n > 1 for cell in cells):
        notes.append(f"mean ± standard deviation over training seeds, {grid.seeds}")
    if any(isinstance(cell, Bootstrapped) for cell in cells):
        notes.append("95 % interval over test clips where there is one training")
    note = "; ".join([*notes, chance])
    return replace(grid, note=note)


def _cell(model: ProbedModel | None, p_s: float, metric: str) -> Spread:
    if model is None or p_s not in model.p_s:
        return spread([])
    return model.spread(p_s, metric)


def _fraction_head(board: ProbeBoard, p_s: float) -> str:
    clips = {model.labelled(p_s) for model in board.models if p_s in model.p_s}
    return percent(p_s) + (f" ({clips.pop():,})" if len(clips) == 1 else "")
