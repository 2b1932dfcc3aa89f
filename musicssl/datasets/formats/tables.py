"""Annotation files as text and as tables of cells, with clear errors for malformed files."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from musicssl.errors import InputError
from musicssl.limits import MOST_COLUMNS, size_fault

_LFS_POINTER = "version https://git-lfs"


@contextmanager
def annotation_file(path: Path, get: str) -> Iterator[TextIO]:
    """Open an annotation file in UTF-8, with or without a byte order mark, with any line ends.

    Args:
        path: The file.
        get: How to get the corpus, a clause for the end of a message.

    Raises:
        InputError: If the file is missing, unreadable, not text, or a git-LFS pointer.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if fault := size_fault(path.stat().st_size):
                raise InputError(f"{path} {fault}; replace it, or {get}.")
            if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
                raise InputError(
                    f"{path} is a git-LFS pointer, not the file itself; run `git lfs pull` in its "
                    f"repository, or {get}."
                )
            file.seek(0)
            yield file
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; put it there, or {get}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); replace it, or {get}.") from error


def annotation_text(path: Path, get: str) -> str:
    """Read a whole annotation file.

    Raises:
        InputError: See `annotation_file`.
    """
    with annotation_file(path, get) as file:
        return file.read()


def annotation_lines(path: Path, get: str) -> list[tuple[int, str]]:
    """Read the lines of a list, stripped, with their numbers from 1.

    Empty lines are skipped; the last line needs no line end.

    Raises:
        InputError: See `annotation_file`; also if all lines are empty.
    """
    stripped = [line.strip() for line in annotation_text(path, get).splitlines()]
    lines = [(number, line) for number, line in enumerate(stripped, start=1) if line]
    if not lines:
        raise InputError(f"{path} is empty; replace it, or {get}.")
    return lines


class Line(NamedTuple):
    """One line of a table.

    Attributes:
        location: "line NUMBER of FILE", for messages.
        cells: Stripped cell of each column.
    """

    location: str
    cells: dict[str, str]


def annotation_rows(
    path: Path, get: str, delimiter: str = ",", quoted: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """Read the rows of a table one by one, each with the number of its last line, from 1.

    Cells in double quotes may contain delimiters and line ends; empty lines are skipped. Rows may
    differ in length.

    Args:
        path: The table.
        get: How to get the corpus, a clause for the end of a message.
        delimiter: Character between two cells.
        quoted: Whether double quotes enclose cells instead of being ordinary characters.

    Raises:
        InputError: See `annotation_file`; also if a quoted cell has no end.
    """
    with annotation_file(path, get) as file:
        reader = csv.reader(file, delimiter=delimiter, quotechar='"' if quoted else None)
        try:
            for row in reader:
                if len(row) > MOST_COLUMNS:
                    raise InputError(
                        f"line {reader.line_num} of {path} has {len(row):,} cells, more than "
                        f"{MOST_COLUMNS:,}; replace the file, or {get}."
                    )
                if row:
                    yield reader.line_num, row
        except csv.Error as error:
            raise InputError(
                f"line {reader.line_num} of {path} is not a row of a table ({error}); replace the "
                f"file, or {get}."
            ) from error


def columns_of(
    path: Path, rows: Iterator[tuple[int, list[str]]], names: Sequence[str], get: str
) -> tuple[list[int], int]:
    """Read the head of a table and find columns in it.

    Args:
        path: The table, for messages.
        rows: Its rows, starting with the head.
        names: Names of the columns to find.
        get: See `annotation_rows`.

    Returns:
        The indices of those columns, and the number of all columns.

    Raises:
        InputError: If a column is missing.
    """
    _, head = next(rows, (0, []))
    absent = [name for name in names if name not in head]
    if absent:
        raise InputError(
            f"{path} has no column {absent[0]!r} in its first line; replace the file, or {get}."
        )
    return [head.index(name) for name in names], len(head)


def read_table(
    path: Path, columns: Sequence[str], get: str, delimiter: str = ",", key: str | None = None
) -> list[Line]:
    """Read a table with a head and the same number of cells in all lines; skip blank lines.

    Args:
        path: The table.
        columns: Required columns; there may be others.
        get: See `annotation_rows`.
        delimiter: Character between cells. If it is a tab, quotes are ordinary characters, because
            titles contain unpaired quotes.
        key: Name of a column whose cells must be unique; None for no such column.

    Raises:
        InputError: See `annotation_rows`; also if a column is missing, a line has more or fewer
            cells than the head, or two lines have the same key.
    """
    rows = annotation_rows(path, get, delimiter, quoted=delimiter != "\t")
    _, head = next(rows, (0, []))
    names = [name.strip() for name in head]
    absent = [name for name in columns if name not in names]
    if absent:
        raise InputError(f"{path} has no column {absent[0]!r}; {get}.")
    lines: list[Line] = []
    keys: set[str] = set()
    for number, cells in rows:
        if not any(cells):
            continue
        location = f"line {number} of {path}"
        if len(cells) != len(names):
            raise InputError(f"{location} has {len(cells)} cells, not {len(names)}; {get}.")
        line = Line(location, {n: c.strip() for n, c in zip(names, cells, strict=True)})
        if key is not None and line.cells[key] in keys:
            raise InputError(f"{location} is the second with {key} {line.cells[key]!r}; {get}.")
        if key is not None:
            keys.add(line.cells[key])
        lines.append(line)
    return lines
