"""The report as one web page: no script, no link, pictures inside, so that it can be mailed."""

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: white;
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.2rem; margin-top: 2.4rem; }
p, li { max-width: 46rem; overflow-wrap: anywhere; } li { margin: .3rem 0; }
img { max-width: 100%; height: auto; }
figure { margin: 1.2rem 0; } figcaption { color: #555; font-size: .85rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; white-space: nowrap;
         border-bottom: 1px solid #e2e2e2; }
th:first-child { text-align: left; }
thead th { border-bottom: 2px solid #1a1a1a; vertical-align: bottom; white-space: normal; }
.long { display: inline-block; min-width: 10rem; text-align: left; white-space: normal;
        overflow-wrap: anywhere; }
tbody th { font-weight: normal; white-space: normal; min-width: 9rem; }
.quiet { color: #555; }
@media print {
  body { font-size: 10pt; margin: 0; max-width: none; }
  h2, figcaption { break-after: avoid; } img, tr { break-inside: avoid; }
  .wide { overflow: visible; } table { font-size: 7.5pt; } th, td { padding: .15rem .35rem; }
}
"""


def write_page(path: Path, title: str, body: Iterable[str]) -> None:
    """Write the page.

    Args:
        path: The file.
        title: As text.
        body: Its parts, as HTML.
    """
    path.write_text(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n",
        encoding="utf-8",
    )


def heading(title: str, subject: str) -> list[str]:
    """Begin the page with what it is about."""
    return [f"<h1>{escape(title)}</h1>", f'<p class="quiet">{escape(subject)}</p>']


def section(title: str, parts: Iterable[str]) -> list[str]:
    """Head some parts with a title; no parts, no title."""
    parts = list(parts)
    return [f"<h2>{escape(title)}</h2>", *parts] if parts else []


def bullets(sentences: Iterable[str]) -> str:
    """List sentences."""
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"


def paragraph(text: str) -> str:
    """Write a paragraph of text."""
    return f"<p>{escape(text)}</p>"


def remark(text: str) -> str:
    """Write a paragraph that is not to stand out."""
    return f'<p class="quiet">{escape(text)}</p>'


def picture(file: Path | None, what: str) -> list[str]:
    """Put a PNG file into the page, with what it shows for those who cannot see it."""
    if file is None:
        return []
    data = base64.b64encode(file.read_bytes()).decode()
    return [f'<img alt="{escape(what)}" src="data:image/png;base64,{data}">']


def capitalised(text: str) -> str:
    """Begin a text with a capital letter.

    >>> capitalised("weighted accuracy")
    'Weighted accuracy'
    """
    return text[0].upper() + text[1:]


def count(number: int, noun: str) -> str:
    """Write a number of things.

    >>> count(1, "class"), count(2000, "class"), count(2, "run")
    ('1 class', '2,000 classes', '2 runs')
    """
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"
