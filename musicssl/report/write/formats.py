"""A report as Markdown, LaTeX and HTML."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from musicssl.errors import printable
from musicssl.evaluation.metrics import percent
from musicssl.report.write.tables import Table
from musicssl.report.write.view import ReportView

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",  # after the end of a row it would begin an option of it, and so would a star
    "]": "{]}",
    "*": "{*}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "\0": "{}",
    "–": "--",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>|#~$&]")
_LIST_NUMBER = re.compile(r"^(\d+)([.)])(?=\s|$)")
_DASHES = re.compile(r"-(?=-)")
_BLOCK_SIGN = re.compile(r"[-+=](?=[-=\s]|$)")


def markdown(table: Table) -> str:
    """Write a table in Markdown, its title above, the best of each column in bold."""
    return _with_bars(table, md)


def plain(table: Table) -> str:
    """Write a table for the screen: as in Markdown, but names as they are."""
    return _with_bars(table, _line)


def _with_bars(table: Table, escape: Callable[[str], str]) -> str:
    title = f"{table.title}, {table.seeds}" if table.note is None else table.caption
    lines = [
        escape(title),
        "",
        "| " + " | ".join(map(escape, table.heads)) + " |",
        "|---" * len(table.heads) + "|",
    ]
    for label, row in table.rows:
        cells = [f"**{escape(cell.text)}**" if cell.is_bold else escape(cell.text) for cell in row]
        lines.append("| " + " | ".join([escape(label), *cells]) + " |")
    return "\n".join(lines) + "\n"


def md(text: str) -> str:
    r"""Escape the signs that mean something in Markdown, and put all on one line.

    >>> print(md("att_bl <b> *1* | x"))
    att\_bl \<b\> \*1\* \| x
    """
    escaped = _MARKDOWN.sub(lambda match: "\\" + match[0], _line(text))
    if _BLOCK_SIGN.match(escaped):
        return "\\" + escaped
    return _LIST_NUMBER.sub(r"\1\\\2", escaped)


def _line(text: str) -> str:
    """Put the lines of a cell on one, without characters that control a terminal."""
    return printable(" ".join(text.split("\n")))


def latex(table: Table) -> str:
    r"""Write a table in LaTeX; needs `\usepackage{booktabs}`."""
    note = table.note or f"mean and standard deviation, {table.seeds}"
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{tex(table.title)}: {tex(note)}.}}",
        rf"\begin{{tabular}}{{l{'c' * (len(table.heads) - 1)}}}",
        r"\toprule",
        " & ".join(map(tex, table.heads)) + r" \\",
        r"\midrule",
    ]
    for label, row in table.rows:
        cells = [
            rf"\textbf{{{tex(cell.text)}}}" if cell.is_bold else tex(cell.text) for cell in row
        ]
        lines.append(" & ".join([tex(label), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def tex(text: str) -> str:
    r"""Escape the signs that are commands in LaTeX, and those that become others.

    >>> print(tex("att_bl at 2 %, a--b"))
    att\_bl at 2 \%, a-{}-b
    """
    apart = _DASHES.sub("-\0", _line(text))  # two hyphens would become a dash
    return "".join(_LATEX.get(sign, sign) for sign in apart)


def html(
    report: ReportView,
    pictures: Sequence[Mapping[str, Path]],
    board_pictures: Sequence[Path | None],
) -> str:
    """Write a report as one page that can be mailed: pictures, sound and script are inside.

    Args:
        report: What the page shows.
        pictures: PNG files of each section of runs: "curve", "classes", "unlabelled",
            "robustness" and "linear_probes", as far as they exist.
        board_pictures: PNG file of each board of probes; None if it has none.
    """
    page = environment().get_template("page.html.j2")
    return page.render(report=report, all_pictures=pictures, board_pictures=board_pictures)


def environment() -> Environment:
    """Return the environment of the templates; all text is escaped."""
    environment = Environment(
        loader=PackageLoader("musicssl.report.write", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["data_uri"] = _data_uri
    environment.filters["printable"] = printable
    environment.globals["percent"] = percent
    return environment


def _data_uri(file: Path, kind: str = "image/png") -> str:
    return f"data:{kind};base64," + base64.b64encode(file.read_bytes()).decode()
