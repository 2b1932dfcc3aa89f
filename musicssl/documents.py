"""Text files of plain values: JSON, YAML and CSV.

Files are written whole or not at all. JSON files that musicssl writes have a checksum, so that
damage is found when they are read. NaN is null in JSON and an empty field in CSV. YAML of other
people is refused if it could fill the memory.
"""

import json
import math
import uuid
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from musicssl.errors import printable

_SUM = "crc32"  # in a JSON file: of all else in it
_DEEPEST_YAML = 50  # sections within sections
_FORMULA = ("=", "+", "-", "@")  # the first sign of a formula in a spreadsheet


def write_atomically(path: Path, text: str) -> None:
    """Write a text file atomically; of texts that are written at the same time, one is kept."""
    part = path.with_name(f".{path.name}.part-{uuid.uuid4().hex}")  # different for each writer
    try:
        part.write_text(text)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def remove_parts(folder: Path) -> None:
    """Remove the unfinished files of writers that were killed; nobody else may write meanwhile."""
    for part in folder.glob(".*.part-*"):
        if part.is_file():
            part.unlink(missing_ok=True)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write plain values atomically as JSON with a checksum; NaN becomes null."""
    plain = json.loads(json.dumps(nan_to_null(document)))
    write_atomically(path, json.dumps(plain | {_SUM: _sum_of(plain)}, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read what `write_json` wrote; a file without a checksum is of an earlier version.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is damaged.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(document, dict):
        raise ValueError("it holds no names")
    return without_checksum(document)


def load_yaml(text: str) -> Any:
    """Build the plain values of a YAML document.

    A file from elsewhere may be made to fill the memory or to end the process: aliases, with which
    a few lines stand for billions of values, and deep nesting are refused before anything is built.

    Raises:
        ValueError: If it is no YAML, or refused.
    """
    try:
        depth = 0
        for event in yaml.parse(text, yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ValueError("it has YAML aliases, which are not read")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST_YAML:
                raise ValueError("its sections are nested too deeply")
        return yaml.load(text, yaml.CSafeLoader)  # ten times as fast as the Python loader
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def without_checksum(document: dict[str, Any]) -> dict[str, Any]:
    """Return what `write_json` was given, from what is in the file.

    Raises:
        ValueError: If it differs from its checksum; an earlier version wrote none.
    """
    rest = {name: value for name, value in document.items() if name != _SUM}
    if document.get(_SUM, _sum_of(rest)) != _sum_of(rest):
        raise ValueError("its content differs from its checksum")
    return rest


def _sum_of(document: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(document, sort_keys=True).encode())


def nan_to_null(node: Any) -> Any:
    """Return plain values with None, which becomes null in JSON, instead of NaN."""
    if isinstance(node, Mapping):
        return {key: nan_to_null(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [nan_to_null(value) for value in node]
    return None if isinstance(node, float) and math.isnan(node) else node


def null_to_nan(node: Any) -> Any:
    """Return numbers written by `nan_to_null` as floats, in dictionaries and lists of any depth.

    Raises:
        TypeError or ValueError: If a value is not a number.
    """
    if isinstance(node, Mapping):
        return {key: null_to_nan(value) for key, value in node.items()}
    if isinstance(node, list):
        return [null_to_nan(value) for value in node]
    return math.nan if node is None else float(node)


def csv_field(value: object) -> object:
    """Return a field of a CSV file: empty for NaN; Python writes other floats in full precision.

    Text is without characters that control a terminal. An apostrophe comes before text that a
    spreadsheet would take for a formula, because formulas of other people can run commands.

    >>> csv_field("=HYPERLINK(1)"), csv_field("drums"), csv_field(-0.5)
    ("'=HYPERLINK(1)", 'drums', -0.5)
    """
    if isinstance(value, str):
        return f"'{printable(value)}" if value.startswith(_FORMULA) else printable(value)
    return "" if isinstance(value, float) and math.isnan(value) else value


def csv_number(field: str) -> float:
    """Read a number that `csv_field` wrote.

    Raises:
        ValueError: If the field is not a number.
    """
    return math.nan if field == "" else float(field)
