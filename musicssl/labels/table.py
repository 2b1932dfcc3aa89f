"""labels.csv: what a user knows of their own audio, one row for each file.

UTF-8, commas, a header. `path` is relative to the root, with `/`; `label` holds one class or
`labels` several, separated by `;`, and an empty cell means that nothing is known of the file.
`split` (train, val or test), `group` (what must not be torn apart: an artist, a song) and `fold`
may be there.
"""

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from musicssl.data.corpus import SPLITS
from musicssl.errors import InputError

COLUMNS = ("path", "label", "labels", "split", "group", "fold")


@dataclass(frozen=True)
class LabelTable:
    """The columns of labels.csv; each maps the path of a file to its cell.

    Attributes:
        labels: The classes observed in each file; () if nothing is known of it.
        split: "train", "val" or "test", or None without that column.
        group: What must not be torn apart, "" for a file that stands alone, or None.
        fold: Any name of a fold, or None.
    """

    labels: dict[str, tuple[str, ...]]
    split: dict[str, str] | None = None
    group: dict[str, str] | None = None
    fold: dict[str, str] | None = None


def read_label_table(file: Path, extra_columns: Collection[str] = ()) -> LabelTable:
    """Read labels.csv.

    Args:
        file: The table; a byte order mark is tolerated, blank lines are skipped.
        extra_columns: Names of columns to leave unread; one of `COLUMNS` may be among them.

    Raises:
        InputError: If the file is missing, empty or not UTF-8, a column is unknown, missing or
            there twice, a row has more or fewer cells than the header, a path occurs twice or
            leaves the root, or a split is unknown.
    """
    header, rows = _read_rows(file)
    _check_header(file, header, extra_columns)
    cells = {name: [row[index] for _, row in rows] for index, name in enumerate(header)}
    columns = {name: cells[name] for name in COLUMNS if name in cells and name not in extra_columns}
    paths = _check_paths(file, [line for line, _ in rows], columns["path"])
    if "split" in columns:
        _check_splits(file, [line for line, _ in rows], columns["split"])

    def by_path(name: str) -> dict[str, str] | None:
        return dict(zip(paths, columns[name], strict=True)) if name in columns else None

    if "labels" in columns:
        labels = [_classes_of(cell) for cell in columns["labels"]]
    else:
        labels = [(cell,) if cell else () for cell in columns["label"]]
    return LabelTable(
        labels=dict(zip(paths, labels, strict=True)),
        split=by_path("split"),
        group=by_path("group"),
        fold=by_path("fold"),
    )


def _read_rows(file: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header and each row with the number of its line, all cells stripped."""
    if not file.is_file():
        raise InputError(
            f"there is no table of labels at {file}; give data.labels as a path relative to "
            "data.root or as an absolute one."
        )
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text; save it as CSV in UTF-8.") from error
    except csv.Error as error:
        raise InputError(
            f"{file} is not a CSV table ({error}); mend or export it again."
        ) from error
    if len(rows) < 2:
        raise InputError(f"{file} holds no rows; write a header and a row for each labelled file.")
    header = rows[0][1]
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise InputError(
                f"{file}, line {line}: {len(row)} cells where the header has {len(header)}; "
                "put quotes around a cell that holds a comma and fill in what is missing."
            )
    return header, rows[1:]


def _check_header(file: Path, header: Sequence[str], extra_columns: Collection[str]) -> None:
    read = [name for name in header if name not in extra_columns]
    for name in read:
        if read.count(name) > 1:
            raise InputError(f"{file} has two columns {name!r}; remove or rename one.")
    if "path" not in read:
        raise InputError(
            f"{file} has no column 'path', its header is {','.join(header)!r}; name the column of "
            "file names 'path' and separate columns by commas."
        )
    for name in read:
        if name not in COLUMNS:
            guess = get_close_matches(name, COLUMNS, n=1)
            hint = f" (did you mean {guess[0]!r}?)" if guess else ""
            raise InputError(
                f"{file}: unknown column {name!r}{hint}; use {', '.join(COLUMNS)}, or leave it "
                f"unread with dataset.extra_columns=[{','.join([*extra_columns, name])}]."
            )
    if ("label" in read) == ("labels" in read):
        has = "both columns 'label' and 'labels'" if "label" in read else "no column of labels"
        raise InputError(
            f"{file} has {has}; use 'label' for one class per file or 'labels' for several "
            "separated by ';'."
        )


def _check_paths(file: Path, lines: Sequence[int], cells: Sequence[str]) -> list[str]:
    """Return the paths in one spelling, `./a//b.wav` as `a/b.wav`."""
    first_line: dict[str, int] = {}
    for line, cell in zip(lines, cells, strict=True):
        path = PurePosixPath(cell)
        if not cell or path.is_absolute() or ".." in path.parts:
            raise InputError(
                f"{file}, line {line}: path {cell!r} does not lie below the root; write it "
                "relative to data.root, without '..'."
            )
        if str(path) in first_line:
            raise InputError(
                f"{file}, line {line}: path {cell!r} is already in line {first_line[str(path)]}; "
                "give each file one row."
            )
        first_line[str(path)] = line
    return list(first_line)


def _check_splits(file: Path, lines: Sequence[int], cells: Sequence[str]) -> None:
    for line, cell in zip(lines, cells, strict=True):
        if cell not in SPLITS:
            guess = get_close_matches(cell.lower(), SPLITS, n=1)
            hint = f" (did you mean {guess[0]!r}?)" if guess else ""
            raise InputError(
                f"{file}, line {line}: unknown split {cell!r}{hint}; use {', '.join(SPLITS)}."
            )


def _classes_of(cell: str) -> tuple[str, ...]:
    """Take a cell of several classes apart.

    >>> _classes_of("piano; voice;"), _classes_of("")
    (('piano', 'voice'), ())
    """
    return tuple(name.strip() for name in cell.split(";") if name.strip())
