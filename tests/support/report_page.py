"""The files of a report, and its page as a parser reads it."""

from html.parser import HTMLParser
from pathlib import Path

import musicssl.report.write

FILES = {
    *("index.html", "table.md", "table.csv", "table.tex", "comparisons.csv"),
    *("curve.png", "per_class.png"),
}

SORTING = Path(musicssl.report.write.__file__).with_name("sorting.js").read_text()


class Page(HTMLParser):
    """The text of a page, the addresses that it asks for, and the tags that are not closed."""

    def __init__(self, path):
        super().__init__()
        self.text, self.script, self.addresses, self.open, self.used = "", "", [], [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        self.used.add(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.script += data
        elif not self.open or self.open[-1] != "style":
            self.text += data
