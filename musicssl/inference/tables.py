"""Predictions of many recordings as one table, CSV or JSON."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from musicssl.audio.unreadable import printable_path
from musicssl.documents import csv_field, write_atomically
from musicssl.errors import InputError
from musicssl.inference.events import Event
from musicssl.inference.prediction import Prediction
from musicssl.inference.recordings import Recording

SUFFIXES = (".csv", ".json")


@dataclass(frozen=True, eq=False)
class Row:
    """What is written about one recording.

    Attributes:
        recording: The file.
        prediction: Its scores.
        labels: Classes that are present, or the likeliest; None if that was not asked for.
        events: When; None if that was not asked for.
    """

    recording: Recording
    prediction: Prediction
    labels: Sequence[str] | None = None
    events: Sequence[Event] | None = None

    @property
    def shown(self) -> str:
        """The name of the recording, for a terminal."""
        return self.recording.shown


def check_suffix(path: Path) -> None:
    """Refuse a file of a kind that is not written.

    Raises:
        InputError: If its name does not end in .csv or .json.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"--out writes .csv or .json, not {path.name!r}; give it such an ending.")


def write_table(path: Path, rows: Sequence[Row], timeline: bool = False) -> None:
    """Write all recordings to a file of one of `SUFFIXES`, whole or not at all.

    A CSV has a row per recording, path and a column per class, and between them, if asked for, the
    labels with `;` between them. With a timeline it has a row per instance, with start and end in
    seconds. A JSON has all of this at once.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".json":
        document = [_plain(row, timeline) for row in rows]
        write_atomically(path, json.dumps(document, indent=1) + "\n")
        return
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for line in _timeline_lines(rows) if timeline else _clip_lines(rows):
        writer.writerow([csv_field(value) for value in line])
    write_atomically(path, text.getvalue())


def _clip_lines(rows: Sequence[Row]) -> list[list[Any]]:
    if not rows:
        return [["path"]]
    labelled = rows[0].labels is not None
    lines: list[list[Any]] = [
        ["path", *(["labels"] if labelled else []), *rows[0].prediction.classes]
    ]
    for row in rows:
        labels = [";".join(row.labels)] if row.labels is not None else []
        lines.append(
            [printable_path(row.recording.name), *labels, *_rounded(row.prediction.scores)]
        )
    return lines


def _timeline_lines(rows: Sequence[Row]) -> list[list[Any]]:
    if not rows:
        return [["path", "start", "end"]]
    lines: list[list[Any]] = [["path", "start", "end", *rows[0].prediction.classes]]
    for row in rows:
        found = row.prediction
        for (start, end), scores in zip(found.times, found.timeline, strict=True):
            times = [round(float(start), 3), round(float(end), 3)]
            lines.append([printable_path(row.recording.name), *times, *_rounded(scores)])
    return lines


def _plain(row: Row, timeline: bool) -> dict[str, Any]:
    found = row.prediction
    scores = dict(zip(found.classes, _rounded(found.scores), strict=True))
    plain: dict[str, Any] = {
        "path": printable_path(row.recording.name),
        "seconds": round(found.seconds, 3),
        "scores": scores,
    }
    if row.labels is not None:
        plain["labels"] = list(row.labels)
    if row.events is not None:
        plain["events"] = [event._asdict() for event in row.events]
    if timeline:
        plain["times"] = found.times.round(3).tolist()
        plain["timeline"] = [_rounded(scores) for scores in found.timeline]
    return plain


def _rounded(scores: Any) -> list[float]:
    return [round(float(score), 6) for score in scores]
