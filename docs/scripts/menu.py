"""The menu of the site: the section `nav` of mkdocs.yml."""

from fnmatch import fnmatch
from typing import Any

import yaml

from docs.scripts.pages import DOCS, ROOT, page_names


def menu() -> list[str]:
    """Return the pages in the menu, their paths below docs/, in order."""
    return _pages(expanded(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))


def all_pages() -> list[str]:
    """Return the pages that there are: files under docs/, and those written from the source."""
    files = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    return sorted(files | set(page_names()))


def expanded(nav: list[Any]) -> list[Any]:
    """Replace each pattern, such as methods/*.md, by the pages that match and are not named."""
    return _expanded(nav, _pages(nav))


def _expanded(nav: list[Any], named: list[str]) -> list[Any]:
    found: list[Any] = []
    for entry in nav:
        if isinstance(entry, str):
            found += _matching(entry, named)
        else:
            found.append(
                {k: v if isinstance(v, str) else _expanded(v, named) for k, v in entry.items()}
            )
    return found


def _matching(entry: str, named: list[str]) -> list[str]:
    if "*" not in entry:
        return [entry]
    return [page for page in all_pages() if fnmatch(page, entry) and page not in named]


def _pages(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    entries = nav.values() if isinstance(nav, dict) else nav
    return [page for entry in entries for page in _pages(entry)]
