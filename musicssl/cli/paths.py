"""Paths on the command line with characters that Hydra reads as part of its grammar."""

from contextlib import suppress
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

_BEGINNINGS = ("/", "./", "../", "~/")  # of no value but a path


def with_quoted_path(word: str) -> str:
    r"""Return a word of the command line, with quotes around a path that Hydra would misread.

    Without quotes Hydra refuses letters such as ü and some brackets, which names of runs have too.
    A path with a comma gets quotes only if it exists; otherwise it stays a list of values.

    >>> with_quoted_path("data.root=/home/jörg/audio"), with_quoted_path("data.root=/audio")
    ("data.root='/home/jörg/audio'", 'data.root=/audio')

    Args:
        word: An override, key=value, or any other argument, which is returned as it is.
    """
    key, equals, value = word.partition("=")
    if not equals or key.startswith("-"):
        return word
    exists = "/" in value and _exists(value)
    with suppress(HydraException):
        override = OverridesParser.create().parse_override(word)
        if not (exists and override.is_sweep_override()):
            return word
    if not exists and not value.startswith(_BEGINNINGS):
        return word
    quoted = value.replace("'", r"\'")
    return f"{key}='{quoted}'"


def _exists(value: str) -> bool:
    try:
        return Path(value).expanduser().exists()
    except (OSError, RuntimeError):  # too long, as a list of files may be; no such user
        return False
