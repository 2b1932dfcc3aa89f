"""Names as other people write them, in every format. Oracles: parsers, and tables by hand."""

import csv
import re
from dataclasses import replace

import numpy as np
import pytest
from markdown_it import MarkdownIt

from musicssl.errors import printable
from musicssl.report.__main__ import main
from musicssl.report.write.formats import latex, markdown, md, plain, tex
from musicssl.report.write.tables import Cell, Table
from tests.support.arrays import arrays_in
from tests.support.report_page import SORTING, Page
from tests.support.synthetic_runs import settings, write_run

NAMES = [
    *("a|b", "a_b_c", "_a_", "50 % & more", "#1", "# head", "<script>alert(1)</script>", "a > b"),
    *(
        "`code`",
        "*bold*",
        "**x**",
        "[link](http://a.b)",
        "![x](y)",
        "$x^2$",
        "a\\b",
        "\\|",
        "~~x~~",
    ),
    *(
        "{x}",
        "^",
        "1. x",
        "1) x",
        "- x",
        "+ x",
        "=",
        "---",
        "> x",
        "&amp;",
        "&#42;",
        "a--b",
        "---x",
    ),
    *("=HYPERLINK(1)", "+1", "-1", "@x", "[bold]x[/bold]", "[/x]", "line\nline", "tab\tx"),
    *("\x1b[31mred", "bell\x07", "a\u202eb", 'quote "x"', "it's", "``x''", "Café Ω", "\\", "`"),
]


def one_table(name):
    rows = ((name, (Cell("0.5000", is_bold=True), Cell(name), Cell(name, is_bold=True))),)
    return Table(name, ("method", name, "b", "c"), rows, "3 seeds")


def texts_of(document):
    """The text of each cell and paragraph of a Markdown document, as a parser reads it."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = parser.parse(document)
    kinds = {token.type for token in tokens}
    inline = [token for token in tokens if token.type == "inline"]
    allowed = {"text", "text_special", "strong_open", "strong_close", "softbreak"}
    assert {child.type for token in inline for child in token.children} <= allowed
    return kinds, ["".join(child.content for child in token.children) for token in inline]


@pytest.mark.parametrize("name", NAMES)
def test_a_parser_of_markdown_reads_the_names(name):
    shown = printable(name.replace("\n", " "))
    kinds, texts = texts_of(markdown(one_table(name)))
    assert not kinds & {"html_block", "heading_open", "bullet_list_open", "ordered_list_open", "hr"}
    title, *cells = texts
    assert title == f"{shown}, 3 seeds"
    assert cells == ["method", shown, "b", "c", shown, "0.5000", shown, shown]


@pytest.mark.parametrize("name", NAMES)
def test_a_sentence_is_one_item_of_a_list(name):
    kinds, texts = texts_of(f"- {md(name)}\n- end\n")
    assert texts == [printable(name.replace("\n", " ")), "end"]
    assert not kinds & {"html_block", "heading_open", "ordered_list_open", "hr", "code_block"}


@pytest.mark.parametrize("name", NAMES)
def test_the_screen_has_names_as_they_are_but_for_controls(name):
    lines = plain(one_table(name)).splitlines()
    assert len(lines) == 5
    assert lines[4].startswith(f"| {printable(name.replace(chr(10), ' '))} | **0.5000** |")
    assert all(line.isprintable() for line in lines)


# By hand, from the list of special characters in Lamport's LaTeX, section 2.2, and the ligatures of
# the TeXbook, chapter 9.
TEX = {
    "# $ % & _ { }": r"\# \$ \% \& \_ \{ \}",
    "\\": r"\textbackslash{}",
    "~^": r"\textasciitilde{}\textasciicircum{}",
    "<a|b>": r"\textless{}a\textbar{}b\textgreater{}",
    "[x]*": "{[}x{]}{*}",
    "``x''": r"\textasciigrave{}\textasciigrave{}x\textquotesingle{}\textquotesingle{}",
    'a---b "c"': r"a-{}-{}-b \textquotedbl{}c\textquotedbl{}",
    "0.5 ± 0.1 – ≤ ×": r"0.5 $\pm$ 0.1 -- $\leq$ $\times$",
    "a\nb": "a b",
    "\x1b[0m": r"\textbackslash{}x1b{[}0m",
    "\x00": r"\textbackslash{}x00",
}


@pytest.mark.parametrize(("text", "expected"), TEX.items())
def test_latex_by_hand(text, expected):
    assert tex(text) == expected


@pytest.mark.parametrize("name", NAMES)
def test_latex_has_balanced_braces_and_a_row_has_its_cells(name):
    table = latex(one_table(name))
    rows = re.findall(r"(?m)^(.*) \\\\$", table)
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [3, 3]
    bare = re.sub(r"\\[{}]", "", table)
    assert bare.count("{") == bare.count("}")
    assert not re.search(r"(?<!\\)[#~^%]", table)
    assert not any(line.startswith(("[", "*")) for line in table.splitlines())


def test_a_report_of_such_names_is_sound_in_every_file(tmp_path, capsys):
    """Names of methods, classes and a folder, together."""
    classes = np.array(NAMES[:3])
    runs = tmp_path / "runs\x1b[31m"
    for number, name in enumerate(NAMES):
        folder = write_run(runs / f"{number}", settings(name), 0.2 + number / 50)
        arrays = arrays_in(folder / "predictions.npz")
        np.savez(folder / "predictions.npz", **(arrays | {"classes": classes}))
    main([str(runs), "--out", str(tmp_path / "out")])
    printed = capsys.readouterr()
    shown = {printable(name) for name in NAMES}
    for text in (printed.out, printed.err):
        assert all(line.isprintable() for line in text.split("\n"))
    for name in ("index.html", "table.md", "table.tex", "table.csv", "comparisons.csv"):
        text = (tmp_path / "out" / name).read_text()
        assert not set(text) & set("\x1b\x07\u202e\x00")
    assert "\n| [bold]x[/bold] |" in printed.out
    page = Page(tmp_path / "out" / "index.html")
    assert page.open == []
    assert not page.used & {"b", "a"}
    assert page.script.strip() == SORTING.strip()
    with (tmp_path / "out" / "table.csv").open(newline="") as file:
        written = {row["method"] for row in csv.DictReader(file)}
    assert not any(name.startswith(("=", "+", "-", "@")) for name in written)
    assert {re.sub("^'(?=[-=+@])", "", name) for name in written} == shown
    _, texts = texts_of((tmp_path / "out" / "table.md").read_text())
    assert shown <= set(texts)


def test_a_name_with_a_bar_does_not_change_the_number_of_cells():
    table = one_table("x")
    changed = replace(table, rows=(("a|b\\|c", table.rows[0][1]),))
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in markdown(changed).splitlines()[2:]] == [
        *(5, 5, 5)
    ]
