"""The tables of the page that are not of mean and spread."""

from collections.abc import Sequence
from html import escape

from musicssl.evaluation.metrics import percent
from musicssl.evaluation.statistics.p_values import p_text
from musicssl.report.analysis.comparisons import Comparison
from musicssl.report.analysis.grids import fraction_heads
from musicssl.report.analysis.matching import Match
from musicssl.report.analysis.study import Study
from musicssl.report.read.settings import ABSENT, differing
from musicssl.report.write.markup import html_table
from musicssl.report.write.sentences import SIGNIFICANT


def comparisons_table(comparisons: Sequence[Comparison], baseline: str) -> list[str]:
    """Lay out the comparisons with the baseline; empty if there are none.

    Args:
        comparisons: Those of other pairs are left out.
        baseline: Its label.
    """
    heads = [
        "method",
        "labels (clips)",
        "AUROC difference",
        "95 % interval",
        "p",
        "p, Holm",
        "seeds",
    ]
    shown = [one for one in comparisons if one.with_baseline]
    if any(one.caveat for one in shown):
        heads.append("note")
    caption = (
        f"macro AUROC less that of {baseline}; paired by seed and clip, p corrected "
        f"for {len(shown)} comparisons, bold below {SIGNIFICANT}"
    )
    rows = [_comparison(one)[: len(heads)] for one in shown]
    return [html_table(heads, rows, caption)] if shown else []


def matches_table(study: Study) -> list[str]:
    """Lay out how many labels the baseline needs to match; empty if that is not known."""
    cells = {(one.method, one.p_s): one for one in study.matches}
    rows = [
        [escape(method.label), *(_match(cells.get((method.label, p_s))) for p_s in study.p_s)]
        for method in study.methods[1:]
    ]
    caption = (
        f"labelled clips with which {study.baseline.label} has the same {study.metric_name}, 95 % "
        "interval over redrawn seeds, and how many times the labels of the method that is"
    )
    heads = ["method", *fraction_heads(study.methods)]
    return [html_table(heads, rows, caption)] if cells else []


def runs_table(study: Study) -> str:
    """List all runs."""
    heads = [
        "method",
        "labels",
        "labelled clips",
        "seed",
        study.metric_name,
        "best epoch",
        "folder",
    ]
    rows = [
        [
            *(escape(method.label), percent(run.p_s), f"{run.labelled:,}", str(run.seed)),
            f"{run.metrics.get(study.metric, float('nan')):.4f}",
            "–" if run.best_epoch is None else str(run.best_epoch),
            _long(str(run.folder)),
        ]
        for method in study.methods
        for run in method.runs
    ]
    return html_table([escape(head) for head in heads], rows, "all that this page is made from")


def settings_table(study: Study) -> list[str]:
    """Show all in which methods of one name differ, for labels are brief; else empty."""
    names = [method.name for method in study.methods]
    alike = [method for method in study.methods if names.count(method.name) > 1]
    keys = {
        key
        for name in names
        for key in differing([method.settings for method in alike if method.name == name])
    }
    heads = ["method", *map(escape, sorted(keys))]
    rows = [
        [escape(method.label), *(escape(method.settings.get(key, ABSENT)) for key in sorted(keys))]
        for method in alike
    ]
    return [html_table(heads, rows, "all in which methods of one name differ")] if alike else []


def _long(text: str) -> str:
    return f'<span class="long">{escape(text)}</span>'


def _match(match: Match | None) -> str:
    return "–" if match is None else "<br>".join(map(escape, match.parts))


def _comparison(one: Comparison) -> list[str]:
    key = [escape(one.method), f"{percent(one.p_s)} ({one.labelled:,.0f})"]
    if one.test is None or one.p_baseline is None:
        return [*key, "–", "–", "–", "–", "0", _long(one.caveat)]
    (low, high), p = one.test.interval, escape(p_text(one.p_baseline))
    return [
        *key,
        f"{one.test.difference:+.4f}",
        f"{low:+.4f} to {high:+.4f}",
        escape(p_text(one.test.p)),
        f"<strong>{p}</strong>" if one.p_baseline < SIGNIFICANT else p,
        str(len(one.seeds)),
        _long(one.caveat),
    ]
