"""The error of an audio file that cannot be used."""

from pathlib import Path

from musicssl.errors import InputError, printable

TRUNCATED = "is truncated: its end is missing"
SEVERAL_STREAMS = (
    "holds several streams one after the other, of which only the first would be read; split it, "
    "or encode it again"
)


class UnreadableAudioError(InputError):
    """A file that cannot be used as sound.

    Attributes:
        path: The file.
        cause: The fault, as a phrase that follows the path: "is empty (0 bytes)".
    """

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(path, cause)
        self.path = path
        self.cause = cause

    def __str__(self) -> str:
        return f"{printable_path(str(self.path))} {self.cause}; replace or remove the file."


def printable_path(path: str) -> str:
    r"""Return a path for a message; bytes that are not UTF-8 and control characters are escaped.

    >>> printable_path("caf\udce9.wav")
    'caf\\xe9.wav'
    """
    return printable(path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
