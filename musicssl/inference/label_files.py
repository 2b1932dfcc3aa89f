"""Events as files of other programs: label tracks of Audacity, and JAMS."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from musicssl.errors import InputError, printable
from musicssl.inference.events import Event

_JAMS_VERSION = "0.3.4"


def write_audacity(path: Path, events: Sequence[Event]) -> None:
    """Write a label track, which Audacity reads with File, Import, Labels.

    Each line has begin and end in seconds and the name, with tabs between them.
    """
    rows = (f"{e.start:.6f}\t{e.end:.6f}\t{printable(e.name)}\n" for e in events)
    path.write_text("".join(rows), encoding="utf-8")


def read_audacity(path: Path) -> list[tuple[float, float, str]]:
    """Read begin, end and name of each label of a track; lines of frequencies are left out.

    Raises:
        InputError: If it is no label track.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); name a label track.") from error
    labels = []
    for number, row in enumerate(text.splitlines(), 1):
        if not row or row.startswith("\\"):
            continue
        fields = row.split("\t")
        try:
            labels.append((float(fields[0]), float(fields[1]), fields[2]))
        except (IndexError, ValueError) as error:
            raise InputError(
                f"{path}, line {number} is no label of Audacity: begin, end and name with tabs "
                "between them."
            ) from error
    return labels


def write_jams(path: Path, events: Sequence[Event], seconds: float) -> None:
    """Write events as an annotation of the namespace tag_open; see https://jams.readthedocs.io."""
    path.write_text(json.dumps(jams_document(events, seconds), indent=1), encoding="utf-8")


def jams_document(events: Sequence[Event], seconds: float) -> dict[str, Any]:
    """Return events in the form of a JAMS file.

    Args:
        events: Events of a recording.
        seconds: Its duration.
    """
    data = [
        {"time": e.start, "duration": e.end - e.start, "value": e.name, "confidence": e.score}
        for e in events
    ]
    made_by = {"annotation_tools": "musicssl predict", "data_source": "program"}
    annotation = {
        "namespace": "tag_open",
        "time": 0.0,
        "duration": seconds,
        "annotation_metadata": made_by,
        "data": data,
        "sandbox": {},
    }
    return {
        "file_metadata": {"duration": seconds, "jams_version": _JAMS_VERSION},
        "annotations": [annotation],
        "sandbox": {},
    }
