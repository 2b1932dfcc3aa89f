"""The twenty instruments of OpenMIC-2018."""

import json
from pathlib import Path

from musicssl.annotation_file import annotation_text
from musicssl.errors import InputError
from musicssl.openmic.folder import AGAIN

CLASSES = (
    "accordion",
    "banjo",
    "bass",
    "cello",
    "clarinet",
    "cymbals",
    "drums",
    "flute",
    "guitar",
    "mallet_percussion",
    "mandolin",
    "organ",
    "piano",
    "saxophone",
    "synthesizer",
    "trombone",
    "trumpet",
    "ukulele",
    "violin",
    "voice",
)


def check_class_map(path: Path) -> None:
    """Check that a class map gives `CLASSES` their order.

    Raises:
        InputError: If it does not.
    """
    text = annotation_text(path, AGAIN)
    try:
        class_map = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is damaged ({error}); {AGAIN}.") from error
    if class_map != {name: column for column, name in enumerate(CLASSES)}:
        raise InputError(f"{path} does not hold the 20 classes of OpenMIC-2018; {AGAIN}.")
