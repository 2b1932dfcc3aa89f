"""mkdocs: adds the pages that are written from the source, and their names to the menu."""

from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from docs.scripts.menu import expanded
from docs.scripts.pages import measured_pages, written_pages


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replace each pattern of the menu, such as methods/*.md, by the pages that there are."""
    config.nav = expanded(config.nav or [])
    return config


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add the written pages; one that begins with a file of docs/ replaces it."""
    for path, text in (written_pages() | measured_pages()).items():
        existing = files.get_file_from_path(path)
        if existing is not None:
            files.remove(existing)
        files.append(File.generated(config, path, content=text))
    return files
