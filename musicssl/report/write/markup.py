"""A table of mean and spread in Markdown, LaTeX and HTML; the best of each column in bold."""

from html import escape

from musicssl.report.analysis.choice_table import ChoiceTable
from musicssl.report.analysis.grids import Grid

Table = Grid | ChoiceTable

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def markdown(grid: Table) -> str:
    """Write a table for Markdown, its title above."""
    lines = [
        f"{grid.title}, {grid.seeds}" if grid.note is None else f"{grid.title}: {grid.note}",
        "",
        "| " + " | ".join([grid.head, *grid.columns]) + " |",
        "|---" * (len(grid.columns) + 1) + "|",
    ]
    for label in grid.rows:
        cells = [
            f"**{text}**" if grid.is_best(label, column) else text
            for column, text in enumerate(grid.texts(label))
        ]
        lines.append("| " + " | ".join([label.replace("|", r"\|"), *cells]) + " |")
    return "\n".join(lines) + "\n"


def latex(grid: Table) -> str:
    r"""Write a table for LaTeX; needs `\usepackage{booktabs}`."""
    note = grid.note or f"mean and standard deviation, {grid.seeds}"
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{tex(grid.title)}: {tex(note)}.}}",
        rf"\begin{{tabular}}{{l{'c' * len(grid.columns)}}}",
        r"\toprule",
        " & ".join([tex(grid.head), *map(tex, grid.columns)]) + r" \\",
        r"\midrule",
    ]
    for label in grid.rows:
        cells = [
            rf"\textbf{{{tex(text)}}}" if grid.is_best(label, column) else tex(text)
            for column, text in enumerate(grid.texts(label))
        ]
        lines.append(" & ".join([tex(label), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def html(grid: Table) -> str:
    """Write a table for a page."""
    rows = []
    for label in grid.rows:
        cells = [
            f"<strong>{text}</strong>" if grid.is_best(label, column) else text
            for column, text in enumerate(map(escape, grid.texts(label)))
        ]
        rows.append([escape(label), *cells])
    caption = f"{grid.title}: {grid.note or f'mean ± standard deviation, {grid.seeds}'}"
    return html_table([escape(grid.head), *map(escape, grid.columns)], rows, caption)


def html_table(heads: list[str], rows: list[list[str]], caption: str) -> str:
    """Write a table for a page.

    Args:
        heads: Of the columns, as HTML.
        rows: As HTML; the first cell of each is its head.
        caption: As text.
    """
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "\n".join(
        f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{text}</td>" for text in rest) + "</tr>"
        for first, *rest in rows
    )
    return (
        f'<figure><figcaption>{escape(caption)}</figcaption>\n<div class="wide"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div></figure>"
    )


def tex(text: str) -> str:
    r"""Escape what LaTeX would read as a command.

    >>> print(tex("att_bl at 2 %"))
    att\_bl at 2 \%
    """
    return "".join(_LATEX.get(sign, sign) for sign in text)
