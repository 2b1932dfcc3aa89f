"""Annotation files as text and as tables of cells, with clear errors for malformed ones."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from musicssl.errors import InputError

_LFS_POINTER = "version https://git-lfs"


@contextmanager
def annotation_file(path: Path, get: str) -> Iterator[TextIO]:
    """Open an annotation file: UTF-8, with or without a byte order mark, line ends as they are.

    Args:
        path: The file.
        get: How to get the corpus, a clause for the end of a message.

    Raises:
        InputError: If it is missing, unreadable, not text, or a git-LFS pointer.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
                raise InputError(
                    f"{path} is a git-LFS pointer, not the file itself; run `git lfs pull` where "
                    f"it comes from, or {get}."
                )
            file.seek(0)
            yield file
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; put it there, or {get}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); replace it, or {get}.") from error


def annotation_text(path: Path, get: str) -> str:
    """Read all of an annotation file.

    Raises:
        InputError: As `annotation_file` does.
    """
    with annotation_file(path, get) as file:
        return file.read()


def annotation_lines(path: Path, get: str) -> list[tuple[int, str]]:
    """Read the lines of a list without the blanks around them, and their numbers, from 1.

    Empty lines are passed over; the last line needs no line end.

    Raises:
        InputError: As `annotation_file` does, or if no line holds anything.
    """
    stripped = [line.strip() for line in annotation_text(path, get).splitlines()]
    lines = [(number, line) for number, line in enumerate(stripped, start=1) if line]
    if not lines:
        raise InputError(f"{path} is empty; replace it, or {get}.")
    return lines


class Line(NamedTuple):
    """One line of a table.

    Attributes:
        place: "line NUMBER of FILE", for messages.
        cells: Of each column, without the blanks around them.
    """

    place: str
    cells: dict[str, str]


def annotation_rows(
    path: Path, get: str, delimiter: str = ",", quoted: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """Read the rows of a table one by one, each with the number of its last line, from 1.

    Cells may be in double quotes, and then hold delimiters and line ends; empty lines are passed
    over. Rows may differ in length.

    Args:
        path: The table.
        get: How to get the corpus, a clause for the end of a message.
        delimiter: Between two cells.
        quoted: Whether double quotes enclose cells, and are no character like any other.

    Raises:
        InputError: As `annotation_file` does, or if a cell never ends.
    """
    with annotation_file(path, get) as file:
        reader = csv.reader(file, delimiter=delimiter, quotechar='"' if quoted else None)
        try:
            for row in reader:
                if row:
                    yield reader.line_num, row
        except csv.Error as error:
            raise InputError(
                f"line {reader.line_num} of {path} is no row of a table ({error}); replace the "
                f"file, or {get}."
            ) from error


def columns_of(
    path: Path, rows: Iterator[tuple[int, list[str]]], names: Sequence[str], get: str
) -> tuple[list[int], int]:
    """Take the head off a table and find columns in it.

    Args:
        path: The table, for messages.
        rows: Its rows, of which the head is still to come.
        names: Of the columns to find.
        get: As for `annotation_rows`.

    Returns:
        Where those columns are, and the number of all columns.

    Raises:
        InputError: If a column is not there.
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
    """Read a table with a head, all of whose lines have as many cells; blank lines are left out.

    Args:
        path: The table.
        columns: Those that must be there; others may be.
        get: As for `annotation_rows`.
        delimiter: Between the cells. Where it is a tab, quotes enclose nothing: titles hold single
            ones.
        key: One of the columns, in which no cell may occur twice; None if there is no such one.

    Raises:
        InputError: As `annotation_rows` does, if a column is missing, a line has more or fewer
            cells than the head, or two lines have the same key.
    """
    rows = annotation_rows(path, get, delimiter, quoted=delimiter != "\t")
    _, head = next(rows, (0, []))
    names = [name.strip() for name in head]
    absent = [name for name in columns if name not in names]
    if absent:
        raise InputError(f"{path} has no column {absent[0]!r}; {get}.")
    lines: list[Line] = []
    seen: set[str] = set()
    for number, cells in rows:
        if not any(cells):
            continue
        place = f"line {number} of {path}"
        if len(cells) != len(names):
            raise InputError(f"{place} has {len(cells)} cells, not {len(names)}; {get}.")
        line = Line(place, {n: c.strip() for n, c in zip(names, cells, strict=True)})
        if key is not None and line.cells[key] in seen:
            raise InputError(f"{place} is the second with {key} {line.cells[key]!r}; {get}.")
        if key is not None:
            seen.add(line.cells[key])
        lines.append(line)
    return lines
