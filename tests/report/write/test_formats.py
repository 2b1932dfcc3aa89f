"""Oracle: tables written by hand, and parsers of Markdown and HTML that are not ours."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from musicssl.evaluation.statistics.spread import Spread, spread
from musicssl.report.analysis.grids import Grid
from musicssl.report.write.formats import environment, latex, markdown
from musicssl.report.write.tables import Cell, Table, spread_table

GRID = Grid(
    "AUROC",
    ("2 % (168)", "10 %"),
    {
        "att_bl": (Spread(0.7, 0.01, 3), Spread(0.8, 0.02, 3)),
        "a|b <i>&": (Spread(0.75, 0.01, 3), spread([])),
    },
)


MACROS = environment().get_template("macros.html.j2").module


def html(table):
    return str(MACROS.show_table(table))


class Cells(HTMLParser):
    """The text of each cell, and which of it is strong."""

    def __init__(self):
        super().__init__()
        self.rows, self.strong, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        while self.tags.pop() != tag:
            pass

    def handle_data(self, data):
        if "td" in self.tags or "th" in self.tags:
            self.rows[-1][-1] += data
        if "strong" in self.tags:
            self.strong.append(data)


def test_markdown():
    assert markdown(spread_table(GRID)).splitlines() == [
        "AUROC, 3 seeds",
        "",
        "| method | 2 % (168) | 10 % |",
        "|---|---|---|",
        r"| att\_bl | 0.7000 ± 0.0100 | 0.8000 ± 0.0200 |",
        r"| a\|b \<i\>\& | **0.7500 ± 0.0100** | – |",
    ]


def test_a_table_of_other_things_says_what_they_are():
    table = spread_table(replace(GRID, head="model", note="the <mean> of 3 & more"))
    assert markdown(table).splitlines()[0] == r"AUROC: the \<mean\> of 3 \& more"
    assert markdown(table).splitlines()[2].startswith("| model |")
    assert r"\caption{AUROC: the \textless{}mean\textgreater{} of 3 \& more.}" in latex(table)
    assert "model & " in latex(table)
    assert "AUROC: the &lt;mean&gt; of 3 &amp; more" in html(table)
    cells = Cells()
    cells.feed(html(table))
    assert cells.rows[0][0] == "model"


def test_a_table_without_any_value_has_no_seeds():
    table = spread_table(Grid("AUROC", ("2 %",), {"att": (spread([]),)}))
    assert markdown(table).splitlines()[0] == "AUROC, 0 seeds"
    assert markdown(table).splitlines()[-1] == "| att | – |"


def test_latex():
    text = latex(spread_table(GRID))
    assert r"att\_bl & 0.7000 $\pm$ 0.0100 & 0.8000 $\pm$ 0.0200 \\" in text
    assert (
        r"a\textbar{}b \textless{}i\textgreater{}\& & \textbf{0.7500 $\pm$ 0.0100} & -- \\" in text
    )
    assert r"\begin{tabular}{lcc}" in text
    assert r"method & 2 \% (168) & 10 \% \\" in text
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 1
    assert text.count(r"\begin") == text.count(r"\end")


def test_html_reads_back_as_it_was_given():
    parser = Cells()
    parser.feed(html(spread_table(GRID)))
    assert parser.rows == [
        ["method", "2 % (168)", "10 %"],
        ["att_bl", "0.7000 ± 0.0100", "0.8000 ± 0.0200"],
        ["a|b <i>&", "0.7500 ± 0.0100", "–"],
    ]
    assert parser.strong == ["0.7500 ± 0.0100"]
    assert parser.tags == []


def test_other_tables_have_their_title_alone_and_cells_of_several_lines_or_long_text():
    cells = (Cell("410\n(<b> to 480)"), Cell("a/b", is_long=True), Cell("< 0.001", is_bold=True))
    table = Table("all & sundry", ("method", "needed", "folder", "p"), (("att", cells),))
    text = html(table)
    assert "<figcaption>all &amp; sundry</figcaption>" in text
    assert "<td>410<br>(&lt;b&gt; to 480)</td>" in text
    assert '<td><span class="long">a/b</span></td>' in text
    parser = Cells()
    parser.feed(text)
    assert parser.strong == ["< 0.001"]


def test_where_the_numbers_of_seeds_differ_they_stand_in_the_cells():
    rows = {"a": (Spread(0.7, 0.01, 3),), "b": (spread([0.6]),), "c": (spread([]),)}
    grid = Grid("AUROC", ("2 %",), rows)
    assert grid.seeds == "number of seeds in brackets"
    assert [grid.texts(label) for label in rows] == [
        ["0.7000 ± 0.0100 (3)"],
        ["0.6000 (1)"],
        ["–"],
    ]


@pytest.mark.parametrize(
    ("means", "best"),
    [([0.7, 0.8], [1]), ([0.8, 0.80001], [0, 1]), ([0.8], []), ([0.8, float("nan")], [])],
)
def test_the_best_of_several_is_bold_and_so_is_what_reads_the_same(means, best):
    rows = {str(row): (spread([mean]),) for row, mean in enumerate(means)}
    grid = Grid("AUROC", ("2 %",), rows)
    assert [row for row in range(len(means)) if grid.is_best(str(row), 0)] == best
