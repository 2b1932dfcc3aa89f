"""The files of a report, and its page as a parser reads it."""

from html.parser import HTMLParser

FILES = {
    *("index.html", "table.md", "table.csv", "table.tex", "comparisons.csv"),
    *("curve.png", "per_class.png"),
}


class Page(HTMLParser):
    """The text of a page, the addresses that it asks for, and the tags that are not closed."""

    def __init__(self, path):
        super().__init__()
        self.text, self.addresses, self.open, self.used = "", [], [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        self.used.add(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
