"""Everything that a report shows, worked out once: all formats are written from it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from musicssl.evaluation.metrics import percent
from musicssl.report.analysis.best_settings import ChoiceTable
from musicssl.report.analysis.grids import Grid
from musicssl.report.analysis.probe_boards import ProbeBoard, board_grid
from musicssl.report.analysis.probe_study import ProbeStudy
from musicssl.report.analysis.sections import corpus_name
from musicssl.report.analysis.study import Studies, Study
from musicssl.report.analysis.timelines import Timelines
from musicssl.report.write.notes import left_out, notes
from musicssl.report.write.probe_verdicts import probe_verdict
from musicssl.report.write.tables import (
    Table,
    comparisons_table,
    labels_needed_table,
    probe_comparisons_table,
    probe_results_table,
    runs_table,
    settings_table,
    spread_table,
)
from musicssl.report.write.verdicts import capitalised, count, match_sentence, verdict


@dataclass(frozen=True, eq=False)
class RunsView:
    """The part of a report about training runs.

    Attributes:
        title: What its metric is and how many methods there are.
        section: What tells it from other sections; empty if there is one section.
        headline: How many methods, fractions and runs there are.
        subject: The corpus, and how much of it was tested on.
        metric: Heading of the main metric, with a capital letter.
        class_metric: Heading of the metric that is shown for each class.
        baseline: Label of the method that the others are compared with.
        has_curve: Whether there is more than one fraction of labels.
        verdict: Sentences on the findings.
        notes: Sentences on what the tables leave out.
        matches: Sentences on how many labels the baseline needs.
        main: Tables of the main metric.
        choices: Tables of the settings that were chosen on validation clips.
        chosen: Tables of the methods with these settings.
        folds: Tables of the main metric fold by fold; empty if there are no folds.
        other: Tables of the other metrics.
        localisation: Tables of what sounds when.
        timelines: Test clips over time; None if no run pictured any.
        robustness: Tables of corrupted sound.
        robustness_metric: Heading of the metric of these.
        robustness_fraction: Their fraction of labels.
        unlabelled: Tables over fractions of clips without labels.
        unlabelled_metric: Heading of the metric of these.
        linear_probe_metric: Heading of the metric of linear probes.
        comparisons: Comparisons of all methods with the baseline.
        chosen_comparisons: Comparisons of the methods with chosen settings.
        labels_needed: How many labels the baseline needs.
        settings: In which methods of one name differ.
        runs: All of them.
    """

    title: str
    section: str
    headline: str
    subject: str
    metric: str
    class_metric: str
    baseline: str
    has_curve: bool
    verdict: list[str]
    notes: list[str]
    matches: list[str]
    main: list[Table]
    choices: list[Table]
    chosen: list[Table]
    folds: list[Table]
    other: list[Table]
    localisation: list[Table]
    timelines: Timelines | None
    robustness: list[Table]
    robustness_metric: str
    robustness_fraction: str
    unlabelled: list[Table]
    unlabelled_metric: str
    linear_probe_metric: str
    comparisons: Table | None
    chosen_comparisons: Table | None
    labels_needed: Table | None
    settings: Table | None
    runs: Table

    @property
    def screen_tables(self) -> list[Table]:
        """The tables for the screen."""
        return [*self.main, *self.folds, *self.choices, *self.chosen]

    @property
    def tables(self) -> list[Table]:
        """All tables of metrics."""
        more = (self.other, self.localisation, self.robustness, self.unlabelled)
        return [*self.screen_tables, *(table for tables in more for table in tables)]

    @property
    def findings(self) -> list[str]:
        """The sentences for the screen."""
        return [*self.verdict, *self.notes]

    @property
    def sentences(self) -> list[str]:
        """All sentences."""
        return [*self.findings, *self.matches]


@dataclass(frozen=True, eq=False)
class BoardView:
    """The part of a report about probes of one kind on one corpus.

    Attributes:
        title: Probe and corpus, with a capital letter.
        metric: Heading of the metric.
        table: Models over fractions of labels.
        comparisons: With the baseline; None if there are none.
    """

    title: str
    metric: str
    table: Table
    comparisons: Table | None


@dataclass(frozen=True, eq=False)
class ProbesView:
    """The part of a report about probes.

    Attributes:
        title: How many models there are.
        headline: The same, and how many results.
        subject: The boards.
        verdict: Sentences on the findings.
        matrices: Tables of models over corpora.
        boards: One for each kind of probe and corpus.
        results: All of them.
    """

    title: str
    headline: str
    subject: str
    verdict: list[str]
    matrices: list[Table]
    boards: list[BoardView]
    results: Table

    @property
    def tables(self) -> list[Table]:
        """All tables of metrics."""
        return [*self.matrices, *(board.table for board in self.boards)]


@dataclass(frozen=True, eq=False)
class ReportView:
    """A report.

    Attributes:
        sections: The parts about training runs that compare; empty if there are none.
        probes: The part about probes; None if there are none.
        left_out: Sentences on runs and probes that are in no part.
    """

    sections: list[RunsView]
    probes: ProbesView | None
    left_out: list[str]

    @property
    def title(self) -> str:
        """Of the page."""
        if len(self.sections) > 1:
            return f"Results in {len(self.sections)} sections"
        parts = [*self.sections, self.probes]
        return "" if parts[0] is None else parts[0].title

    @property
    def tables(self) -> list[Table]:
        """All tables of metrics."""
        tables = [table for section in self.sections for table in section.tables]
        return tables + ([] if self.probes is None else self.probes.tables)


def view_report(studies: Studies, probes: ProbeStudy) -> ReportView:
    """Work out everything that a report shows.

    Args:
        studies: Studies of training runs.
        probes: Probes of these two, at least one has something to show.
    """
    return ReportView(
        list(map(view_runs, studies.sections)),
        view_probes(probes) if probes.boards else None,
        left_out(studies, probes),
    )


def view_runs(study: Study) -> RunsView:
    """Work out the part about training runs."""
    best, robustness, linear_probes = study.best_settings, study.robustness, study.linear_probes
    contenders = [method.label for method in best.contenders]
    chosen = comparisons_table(best.comparisons, contenders[0]) if contenders else None
    baseline, metric = study.baseline.label, capitalised(study.metric_name)

    def lay_out(grids: Iterable[Grid | ChoiceTable]) -> list[Table]:
        return [_in_section(spread_table(grid), study.title) for grid in grids]

    return RunsView(
        title=f"{metric} of {count(len(study.methods), 'method')}",
        section=study.title,
        headline=_headline(study),
        subject=_subject(study),
        metric=metric,
        class_metric=study.class_metric_name,
        baseline=baseline,
        has_curve=len(study.p_s) > 1,
        verdict=verdict(study),
        notes=notes(study),
        matches=[match_sentence(match, baseline) + "." for match in study.matches],
        main=lay_out(study.main_grids),
        choices=lay_out(best.tables),
        chosen=lay_out(study.chosen_grids),
        folds=lay_out(study.fold_grids),
        other=lay_out([*study.other_grids, *study.other_chosen_grids]),
        localisation=lay_out(study.localisation_grids),
        timelines=study.timelines,
        robustness=[] if robustness is None else lay_out([robustness.grid]),
        robustness_metric="" if robustness is None else robustness.metric_name,
        robustness_fraction="" if robustness is None else percent(robustness.p_s),
        unlabelled=[] if study.unlabelled is None else lay_out([study.unlabelled.grid]),
        unlabelled_metric="" if study.unlabelled is None else study.unlabelled.metric_name,
        linear_probe_metric="" if linear_probes is None else linear_probes.metric_name,
        comparisons=comparisons_table(study.comparisons, baseline),
        chosen_comparisons=chosen,
        labels_needed=labels_needed_table(study),
        settings=settings_table(study),
        runs=runs_table(study),
    )


def view_probes(study: ProbeStudy) -> ProbesView:
    """Work out the part about probes."""
    models = {model.label for board in study.boards for model in board.models}
    title = f"Probes of {count(len(models), 'model')}"
    boards = "; ".join(f"{board.title} ({_test_clips(board)})" for board in study.boards)
    return ProbesView(
        title=title,
        headline=f"{title}, {count(len(study.results), 'result')} of probe.py",
        subject=f"{boards}.",
        verdict=probe_verdict(study),
        matrices=list(map(spread_table, study.matrices)),
        boards=[
            BoardView(
                capitalised(board.title),
                board.metric_name,
                spread_table(board_grid(board)),
                probe_comparisons_table(board, comparisons),
            )
            for board, comparisons in zip(study.boards, study.comparisons, strict=True)
        ],
        results=probe_results_table(study),
    )


def _in_section(table: Table, section: str) -> Table:
    """Put the section before the title of a table, if there are several sections."""
    return replace(table, title=f"{section}: {table.title}") if section else table


def _headline(study: Study) -> str:
    runs = sum(len(run.trained) for method in study.methods for run in method.runs)
    methods, fractions = count(len(study.methods), "method"), count(len(study.p_s), "fraction")
    headline = f"{methods} at {fractions} of the labels, {count(runs, 'run')}"
    return f"{study.title}: {headline}" if study.title else headline


def _subject(study: Study) -> str:
    test_set = study.baseline.runs[0].test_set
    corpus = corpus_name(study.baseline.runs[0])
    sizes = count(len(test_set.clip_ids), "test clip"), count(len(test_set.classes), "class")
    return f"{corpus}: {', '.join(sizes)}."


def _test_clips(board: ProbeBoard) -> str:
    return count(len(board.first.test_set.clip_ids), "test clip")
