"""The commands of README.md and of all pages of the documentation, as a shell would run them."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from docs.scripts.pages import DOCS, ROOT, written_pages

_CATCH = r"""
shopt -s expand_aliases
command_not_found_handle() { :; }
note() { printf '%s' "$1"; shift; printf '\x1f%s' "$@"; printf '\x1e'; }
python() { note python "$@"; }
musicssl() { note musicssl "$@"; }
PATH=/nowhere
for block in "$@"; do eval "$block"; done
"""  # loops and variables are obeyed; calls of python and musicssl are noted, and nothing else runs


class Command(NamedTuple):
    """A command, the page that has it, and its words."""

    page: str
    words: tuple[str, ...]


@cache
def written() -> dict[str, str]:
    """Return the pages that are written from the source, which takes most of a second, once."""
    return written_pages()


@cache
def pages() -> dict[str, str]:
    """Return the Markdown of README.md and of all pages, those written from the source too."""
    files = {f"docs/{path.relative_to(DOCS)}": path.read_text() for path in DOCS.rglob("*.md")}
    from_source = {f"docs/{name}": text for name, text in written().items()}
    return {"README.md": (ROOT / "README.md").read_text()} | files | from_source


def code_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield the language and the content of each fenced block."""
    language, lines = None, []
    for line in text.splitlines():
        fence = re.match(r"```(.*)", line)
        if fence and language is None:
            language, lines = fence[1], []
        elif fence:
            yield language or "", "\n".join(lines)
            language = None
        elif language is not None:
            lines.append(line)


@cache
def commands() -> list[Command]:
    """Return all commands, each once, those of README.md first; settings of --config-dir apart."""
    found: dict[tuple[str, ...], str] = {}
    for page, text in pages().items():
        blocks = [content for language, content in code_blocks(text) if language in ("", "bash")]
        for words in noted(blocks):
            found.setdefault(words, page)
    return [Command(page, words) for words, page in found.items()]


def of_script(name: str) -> list[Command]:
    """Return the commands of train.py or probe.py, without the words that name it."""
    starts = {("python", f"{name}.py"), ("musicssl", name)}
    found = dict.fromkeys(
        Command(page, words[2:]) for page, words in commands() if words[:2] in starts
    )
    return [command for command in found if "--config-dir" not in command.words]


def of_package() -> list[tuple[str, ...]]:
    """Return the other commands of musicssl as words after `musicssl`."""
    found = []
    for _, words in commands():
        module = words[2] if words[:2] == ("python", "-m") else ""
        if module.startswith("musicssl.datasets."):
            found.append(("data", module.rpartition(".")[2], *words[3:]))
        elif module.startswith("musicssl."):
            found.append((module.rpartition(".")[2], *words[3:]))
        elif words[0] == "musicssl" and words[1] not in ("train", "probe"):
            found.append(words[1:])
    return list(dict.fromkeys(found))


def noted(blocks: list[str]) -> list[tuple[str, ...]]:
    """Return the words of each call of python and of musicssl in blocks of shell commands."""
    if not blocks:
        return []
    done = subprocess.run(
        ["/bin/bash", "-c", _CATCH, "bash", *blocks],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return [tuple(command.split("\x1f")) for command in done.stdout.split("\x1e") if command]
