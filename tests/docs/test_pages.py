"""Every page is in the menu, every link leads somewhere, and no page names what readers lack."""

import re
from pathlib import Path

import pytest

from docs.scripts.menu import all_pages, expanded, menu
from docs.scripts.pages import DOCS, ROOT, page_names
from tests.support.documented import code_blocks, pages, written

_LINK = re.compile(r"\]\(([^)\s#]*)(?:#[^)]*)?\)")
FILES = {"README.md", *(f"docs/{path.relative_to(DOCS)}" for path in DOCS.rglob("*.md"))}
_LACKING = re.compile(r"/tmp/|/work/|\bissue \d|house\.md|letter\.md|seed_rows", re.IGNORECASE)


def without_code(text):
    for _, content in code_blocks(text):
        text = text.replace(content, "")
    return re.sub(r"`[^`\n]*`", "", text)


def test_every_page_is_in_the_menu():
    missing = [page for page in all_pages() if page not in menu()]
    assert not missing, "add to `nav` of mkdocs.yml: " + ", ".join(
        f"- {Path(page).stem.replace('_', ' ').capitalize()}: {page}" for page in missing
    )


def test_every_page_of_the_menu_exists_and_is_there_once():
    assert sorted(menu()) == all_pages()


def test_a_pattern_of_the_menu_stands_for_the_pages_that_are_not_named():
    nav = [{"A": "results/dgm.md"}, {"B": ["results/index.md", "results/*.md"]}, "index.md"]
    rest = ["results/defaults.md", "results/label_fraction.md", "results/semisupcon.md"]
    found = expanded(nav)
    assert found[0] == {"A": "results/dgm.md"}
    assert found[1]["B"][0] == "results/index.md"
    assert set(rest) <= set(found[1]["B"])
    assert "results/dgm.md" not in found[1]["B"]
    assert found[2] == "index.md"


def links(page, text):
    """Return where links and pictures of a page lead to in the repository."""
    targets = [t for t in _LINK.findall(without_code(text)) if t and "://" not in t]
    return {target: ((ROOT / page).parent / target).resolve() for target in targets}


@pytest.mark.parametrize("page", sorted(FILES))
def test_links_and_pictures_of_a_file_are_files(page):
    """It is read where no site is built, too."""
    found = links(page, (ROOT / page).read_text())
    assert [target for target, path in found.items() if not path.exists()] == []


@pytest.mark.parametrize("page", sorted(written()))
def test_links_of_a_written_page_lead_to_pages(page):
    known = {DOCS / name for name in page_names()}
    found = links(f"docs/{page}", written()[page])
    assert [t for t, path in found.items() if not path.exists() and path not in known] == []


@pytest.mark.parametrize("name", ["README.md", *(f"docs/{name}" for name in all_pages())])
def test_no_page_names_what_readers_do_not_have(name):
    text = pages().get(name, "")
    assert _LACKING.findall(re.sub(r"\(issue \d+ of|issue \d+\)", "", text)) == []


def test_readme_is_one_screen():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 90


def test_the_names_of_written_pages_are_those_of_the_pages():
    assert {*written(), "encoders.md"} == set(page_names())
