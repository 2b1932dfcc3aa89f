"""A report as Markdown, LaTeX and HTML."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from musicssl.report.write.tables import Table
from musicssl.report.write.view import ReportView

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def markdown(table: Table) -> str:
    """Write a table in Markdown, its title above, the best of each column in bold."""
    title = f"{table.title}, {table.seeds}" if table.note is None else table.caption
    lines = [
        title,
        "",
        "| " + " | ".join(table.heads) + " |",
        "|---" * len(table.heads) + "|",
    ]
    for label, row in table.rows:
        cells = [f"**{cell.text}**" if cell.is_bold else cell.text for cell in row]
        lines.append("| " + " | ".join([label.replace("|", r"\|"), *cells]) + " |")
    return "\n".join(lines) + "\n"


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
    r"""Escape the signs that are commands in LaTeX.

    >>> print(tex("att_bl at 2 %"))
    att\_bl at 2 \%
    """
    return "".join(_LATEX.get(sign, sign) for sign in text)


def html(
    report: ReportView, pictures: Mapping[str, Path], board_pictures: Sequence[Path | None]
) -> str:
    """Write a report as one page: no script, no link, pictures inside, so that it can be mailed.

    Args:
        report: What the page shows.
        pictures: PNG files of the part about runs: "curve", "classes", "robustness" and
            "linear_probes", as far as they exist.
        board_pictures: PNG file of each board of probes; None if it has none.
    """
    page = environment().get_template("page.html.j2")
    return page.render(report=report, pictures=pictures, board_pictures=board_pictures)


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
    return environment


def _data_uri(file: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode()
