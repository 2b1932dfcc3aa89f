"""The classes in the cells of a table of labels, and cells that probably mean something else."""

import ast
import json
import logging
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from musicssl.datasets.base.options import typed_setting
from musicssl.errors import InputError

SEPARATOR = ";"
_SEPARATORS = (";", ",", "|", "\t", "\n")
_ESCAPES = {"\\t": "\t", "\\n": "\n"}  # as they can be typed
_UNKNOWN = {"nan", "none", "null", "n/a", "na", "<na>", "#n/a", "?", "-"}
_log = logging.getLogger(__name__)


def one_label_each(
    file: Path, lines: Sequence[int], cells: Sequence[str], column: str
) -> list[tuple[str, ...]]:
    """Read cells with one class each; an empty cell has none.

    Args:
        file: The table, for messages.
        lines: Number of the line of each cell.
        cells: The cells, stripped.
        column: Name of their column in the header.

    Raises:
        InputError: If a cell holds several classes.
    """
    for line, cell in zip(lines, cells, strict=True):
        if SEPARATOR in cell or _listed(cell) is not None or _is_odd_list(cell):
            raise InputError(
                f"{file}, line {line}: {column} {cell!r} is not one class; for several classes in "
                f"a cell set {typed_setting('dataset.columns.labels', column)}."
            )
    labels: list[tuple[str, ...]] = [(cell,) if cell else () for cell in cells]
    _warn(file, lines, labels)
    return labels


def several_labels_each(
    file: Path,
    lines: Sequence[int],
    cells: Sequence[str],
    column: str,
    separator: str | None = None,
) -> list[tuple[str, ...]]:
    r"""Read cells with several classes each, separated, or as a list of JSON or Python.

    Args:
        file: The table, for messages.
        lines: Number of the line of each cell.
        cells: The cells, stripped.
        column: Name of their column in the header.
        separator: What is between two classes, `\t` for a tab and `\n` for a line break; None for
            `;`, if no other separator is likelier.

    Raises:
        InputError: If the classes are probably separated otherwise, or a list cannot be read.
    """
    if separator == "":
        raise InputError("dataset.separator must not be empty; null stands for ';'.")
    for line, cell in zip(lines, cells, strict=True):
        if _is_odd_list(cell):
            raise InputError(
                f"{file}, line {line}: {column} {cell!r} is a list that cannot be read; separate "
                "the classes by ';' and leave out the brackets."
            )
    if separator is None:
        _check_separated(file, lines, cells, column)
    between = _ESCAPES.get(separator, separator) if separator else SEPARATOR
    labels = [labels_of(cell, between) for cell in cells]
    _warn(file, lines, labels)
    return labels


def labels_of(cell: str, separator: str = SEPARATOR) -> tuple[str, ...]:
    """Return the classes in a cell, each once.

    >>> labels_of("piano; voice;"), labels_of("['piano', 'voice']"), labels_of("")
    (('piano', 'voice'), ('piano', 'voice'), ())
    """
    listed = _listed(cell)
    names = cell.split(separator) if listed is None else listed
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))


def _listed(cell: str) -> list[str] | None:
    """Return the items of a list, tuple or set of strings in JSON or Python; None if it is none."""
    if cell[:1] not in "[({" or cell[-1:] not in "])}" or not cell or _lacks_commas(cell):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            items = read(cell)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
        if isinstance(items, list | tuple | set) and all(isinstance(item, str) for item in items):
            return sorted(items) if isinstance(items, set) else list(items)
    return None


def _is_odd_list(cell: str) -> bool:
    """Whether a cell is a list in brackets that is neither JSON nor Python."""
    in_brackets = cell.startswith("[") and cell.endswith("]")
    return in_brackets and _listed(cell) is None and any(sign in cell for sign in ",'\"")


def _lacks_commas(cell: str) -> bool:
    """Whether items follow each other without a comma, as NumPy prints them.

    Python would read them as one string.
    """
    return re.search(r"""(['"])\s+(['"])""", cell) is not None


def _check_separated(file: Path, lines: Sequence[int], cells: Sequence[str], column: str) -> None:
    """Refuse cells of which none holds `;` but some hold another separator."""
    texts = [cell for cell in cells if _listed(cell) is None]
    if any(SEPARATOR in cell for cell in texts):
        return
    for line, cell in zip(lines, cells, strict=True):
        found = [sign for sign in _SEPARATORS if sign in cell and _listed(cell) is None]
        if found:
            raise InputError(
                f"{file}, line {line}: no {column} are separated by ';', but {cell!r} is probably "
                f"several classes; separate by ';' or set {_of_separator(found[0])}. If it is one "
                f"class, set {typed_setting('dataset.columns.label', column)}."
            )


def _of_separator(sign: str) -> str:
    """Return the setting for a separator, as it can be typed."""
    escaped = {sign: escape for escape, sign in _ESCAPES.items()}
    return typed_setting("dataset.separator", escaped.get(sign, sign))


def _warn(file: Path, lines: Sequence[int], labels: Sequence[tuple[str, ...]]) -> None:
    """Warn of classes that are probably mistakes."""
    counts = Counter(name for names in labels for name in names)
    first: dict[str, int] = {}  # line of each class
    for line, names in zip(lines, labels, strict=True):
        for name in names:
            first.setdefault(name, line)
    spelt: dict[str, str] = {}  # by the name in lower case
    for name, line in first.items():
        where, other = f"{file}, line {line}: {name!r}", spelt.setdefault(name.lower(), name)
        if name.lower() in _UNKNOWN:
            _log.warning(
                "%s is read as a class, of %d files; leave the cell empty if the label is unknown.",
                where,
                counts[name],
            )
        elif _is_of_others(name, counts):
            _log.warning(
                "%s is read as one class, although its parts are classes too; separate classes "
                "by ';' in a column 'labels'.",
                where,
            )
        elif other != name:
            _log.warning("%s and %r are two classes; write one way if they are one.", where, other)


def _is_of_others(name: str, classes: Counter[str]) -> bool:
    """Whether a class is other classes and a separator between them."""
    for sign in _SEPARATORS:
        parts = [part.strip() for part in name.split(sign)]
        if len(parts) > 1 and all(part in classes for part in parts):
            return True
    return False
