"""The imports of a source file."""

import ast
from functools import cache
from pathlib import Path


def imports(path: Path) -> set[str]:
    """Return the modules that a file names in imports, wherever they stand."""
    return set(_imported(path.read_text()))


@cache
def _imported(source: str) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)
