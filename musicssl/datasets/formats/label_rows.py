"""The rows of a table of labels as people save it: with commas, semicolons, tabs or bars.

Spreadsheets write semicolons in some countries, a first line `sep=;`, empty rows at the end, and a
comma after the last column. pandas writes a first column without a name. All of these are read.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from musicssl.errors import InputError
from musicssl.limits import MOST_COLUMNS, size_fault

_DELIMITERS = (",", ";", "\t", "|")
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_LFS_POINTER = "version https://git-lfs"
Row = tuple[int, list[str]]  # number of the line, cells


@dataclass(frozen=True)
class LabelRows:
    """The cells of a table, stripped and in Unicode form NFC.

    Attributes:
        file: The table.
        header: Name of each column that has one, in order.
        lines: Number of the line of each row, from 1, (R).
        columns: The cells of each named column, (R); of two columns with one name, the first.
    """

    file: Path
    header: tuple[str, ...]
    lines: tuple[int, ...]
    columns: dict[str, list[str]]


def read_label_rows(file: Path, name: str) -> LabelRows:
    """Read a table of labels.

    Lines before the header that start with `#` are comments. Rows without a cell are skipped, and
    so are columns without a name, which no setting could name.

    Args:
        file: The table, in UTF-8, with or without a byte order mark.
        name: Name of a column that the header should have; it tells how the cells are separated.
            Without it no rows are read.

    Raises:
        InputError: If the file is missing, empty, not UTF-8 or not a table, or a row has more or
            fewer cells than the header.
    """
    text, skipped, delimiter = _without_preamble(file, _text_of(file), name)
    rows = list(_rows(file, text, delimiter, skipped))
    if len(rows) < 2:
        raise InputError(f"{file} has no rows; write a header and a row for each labelled file.")
    header = rows[0][1]
    if len(header) > MOST_COLUMNS:
        raise InputError(
            f"{file} has {len(header):,} columns, more than {MOST_COLUMNS:,}; keep those of paths, "
            "labels and splits."
        )
    named = [index for index, column in enumerate(header) if column]
    fits = name in header  # without it, the first line may be a title, with fewer cells
    cells = [_fitted(file, row, header, delimiter) for row in rows[1:] if fits]
    columns: dict[str, list[str]] = {}
    for index in named:
        columns.setdefault(header[index], [row[index] for row in cells])
    return LabelRows(
        file=file,
        header=tuple(header[index] for index in named),
        lines=tuple(line for line, _ in rows[1:] if fits),
        columns=columns,
    )


def _text_of(file: Path) -> str:
    if not file.is_file():
        raise InputError(
            f"there is no table of labels at {file}; give data.labels as a path relative to "
            "data.root or as an absolute one, or use audio without labels with data.labels=null."
        )
    try:
        if fault := size_fault(file.stat().st_size):
            raise InputError(f"{file} {fault}; divide it.")
        with file.open(encoding="utf-8-sig", newline="") as stream:
            text = stream.read()
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text; save it as CSV in UTF-8.") from error
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); check its rights.") from error
    if text.startswith(_LFS_POINTER):
        raise InputError(
            f"{file} is a git-LFS pointer, not the table itself; run `git lfs pull` in its "
            "repository."
        )
    return unicodedata.normalize("NFC", text)


def _without_preamble(file: Path, text: str, name: str) -> tuple[str, int, str]:
    """Return the text from the header on, the number of lines before it, and the delimiter."""
    lines = text.splitlines(keepends=True)
    stated: str | None = None
    for number, line in enumerate(lines):
        head = line.strip()
        separator = re.fullmatch(r'"?sep=(.)"?', line.strip("\r\n"), re.IGNORECASE)
        if separator is not None:
            stated = separator[1]
        elif head and (not head.startswith(("#", '"#')) or _delimiter_with(line, name)):
            delimiter = stated or _delimiter_with(line, name) or max(_DELIMITERS, key=line.count)
            return "".join(lines[number:]), number, delimiter
    raise InputError(f"{file} has no rows; write a header and a row for each labelled file.")


def _delimiter_with(line: str, name: str) -> str | None:
    """Return the delimiter by which a line has a cell of some name."""
    for delimiter in _DELIMITERS:
        with suppress(csv.Error):  # reading all rows reports it
            cells = next(csv.reader([line], delimiter=delimiter), [])
            if name in map(str.strip, cells):
                return delimiter
    return None


def _rows(file: Path, text: str, delimiter: str, skipped: int) -> Iterator[Row]:
    """Read the rows that have a cell, from the header on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num + skipped, cells
    except csv.Error as error:
        raise InputError(
            f"{file}, line {reader.line_num + skipped}, is not a row of a CSV table ({error}); "
            "repair it or export it again."
        ) from error


def _fitted(file: Path, row: Row, header: Sequence[str], delimiter: str) -> list[str]:
    """Return the cells of a row, one for each column of the header.

    Cells of columns without a name may be missing, and empty cells may follow the last column.
    """
    line, cells = row
    width = max((index + 1 for index, name in enumerate(header) if name), default=0)
    if len(cells) < width or any(cells[len(header) :]):
        separated = _NAMES.get(delimiter, repr(delimiter))
        raise InputError(
            f"{file}, line {line}: {len(cells)} cells, but the header has {len(header)}; put "
            f"quotes around cells with {separated} and fill in missing cells."
        )
    return [*cells, *[""] * len(header)][: len(header)]
