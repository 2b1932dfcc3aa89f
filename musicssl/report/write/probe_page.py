"""What the page says of probes."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from musicssl.evaluation.metrics import metric_info, percent
from musicssl.evaluation.statistics.p_values import p_text
from musicssl.report.analysis.probe_boards import ProbeBoard
from musicssl.report.analysis.probe_comparisons import ProbeComparison
from musicssl.report.analysis.probe_grids import board_grid
from musicssl.report.analysis.probe_study import ProbeStudy
from musicssl.report.write.markup import html, html_table
from musicssl.report.write.probe_sentences import is_significant, probe_notes, probe_verdict
from musicssl.report.write.sentences import SIGNIFICANT
from musicssl.report.write.web_page import bullets, count, heading, picture, remark, section


def probe_title(study: ProbeStudy) -> str:
    """Name a page about probes alone."""
    return f"Probes of {count(_num_models(study), 'model')}"


def probe_heading(study: ProbeStudy) -> list[str]:
    """Begin a page about probes alone."""
    places = "; ".join(f"{board.title} ({_clips(board)})" for board in study.boards)
    num_results = count(len(study.results), "result")
    return heading(f"{probe_title(study)}, {num_results} of probe.py", f"{places}.")


def probe_body(study: ProbeStudy, curves: Sequence[Path | None]) -> list[str]:
    """Write the parts of a page about probes.

    Args:
        study: What to show.
        curves: PNG file of each board; None if it has a single fraction of labels.
    """
    sentences = [bullets(probe_verdict(study)), *map(remark, probe_notes(study))]
    parts = section("Probes", [*sentences, *map(html, study.matrices)])
    for board, comparisons, curve in zip(study.boards, study.comparisons, curves, strict=True):
        what = f"{board.metric_name} of each model over the clips that a probe learns from"
        shown = [*picture(curve, what), html(board_grid(board)), *_comparisons(board, comparisons)]
        parts += section(board.title[0].upper() + board.title[1:], shown)
    return [*parts, *section("Results of probe.py", [_results_table(study)])]


def _num_models(study: ProbeStudy) -> int:
    return len({model.label for board in study.boards for model in board.models})


def _clips(board: ProbeBoard) -> str:
    return count(len(board.first.truth.clip_ids), "test clip")


def _comparisons(board: ProbeBoard, comparisons: Sequence[ProbeComparison]) -> list[str]:
    """Lay out the comparisons with the baseline; empty if there are none."""
    if not comparisons:
        return []
    name = metric_info(comparisons[0].metric).heading
    heads = ["model", "labels (clips)", f"{name} difference", "95 % interval", "p", "p, Holm"]
    caption = (
        f"{name} less that of {board.baseline.label}; paired by test clip, p corrected for "
        f"{len(comparisons)} comparisons, bold below {SIGNIFICANT}"
    )
    return [html_table(list(map(escape, heads)), list(map(_comparison, comparisons)), caption)]


def _comparison(one: ProbeComparison) -> list[str]:
    p = escape(p_text(one.p_holm, is_bound=one.test.p_is_bound))
    return [
        escape(one.model),
        f"{percent(one.p_s)} ({one.labelled:,})",
        f"{one.test.difference:+.4f}",
        f"{one.test.low:+.4f} to {one.test.high:+.4f}",
        escape(p_text(one.test.p, is_bound=one.test.p_is_bound)),
        f"<strong>{p}</strong>" if is_significant(one) else p,
    ]


def _results_table(study: ProbeStudy) -> str:
    heads = ["model", "probe", "training seed", "at the most labels", "chance", "folder"]
    rows = [
        [
            *(escape(model.label), escape(board.title), "–" if one.seed is None else str(one.seed)),
            f"{one.cells[max(one.cells)].mean[board.metric]:.4f}",
            "–" if board.chance is None else f"{board.chance:.4f}",
            f'<span class="long">{escape(str(one.folder))}</span>',
        ]
        for board in study.boards
        for model in board.models
        for one in model.results
    ]
    return html_table(heads, rows, "all that the tables of probes are made from")
