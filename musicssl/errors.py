"""User errors: one exception, and how every command reports it."""

import errno
import os
import select
import signal
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_EXTRA_OF = {  # extras of pyproject.toml, by the modules that their packages bring
    **dict.fromkeys(
        ("torchaudio", "sklearn", "joblib", "soundfile", "soxr", "symusic", "pretty_midi"), "train"
    ),
    **dict.fromkeys(("matplotlib", "jinja2", "pyarrow"), "train"),
    **dict.fromkeys(("onnx", "onnxscript", "onnxruntime"), "export"),
    "av": "av",
    "wandb": "wandb",
}


_CONTROLS = ("Cc", "Cs", "Zl", "Zp")  # Unicode's controls, lone surrogates, line separators
_DIRECTIONS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    r"""Write the characters that control a terminal as escapes, and line breaks too.

    Names of classes, runs and files are other people's text: they may move the cursor of a
    terminal, hide what follows, or end the row of a table.

    >>> print(printable("\x1b[31mdrums\n"))
    \x1b[31mdrums\n
    """
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode() if _is_control(character) else character
        for character in text
    )


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in _CONTROLS or character in _DIRECTIONS


class InputError(ValueError):
    """Something given to musicssl is wrong: one sentence that names the cause and the cure.

    The command lines print its message without a traceback and exit with status 2. Anything else
    that is raised is a defect of ours and keeps its traceback.
    """


@contextmanager
def user_errors() -> Iterator[None]:
    """Print an `InputError` as one line on standard error and exit with status 2.

    Hydra wraps what a constructor raises, so the causes of an exception count too. If the reader of
    the output closes it, as `head` does, the command ends without a message. Anything else is a
    defect and passes with its traceback.
    """
    try:
        with _closed_pipes():
            yield
    except Exception as error:
        mistake = input_error(error)
        if mistake is None:
            raise
        lines = map(printable, str(mistake).splitlines())
        print("error:", "\n".join(lines), file=sys.stderr)
        sys.exit(2)


@contextmanager
def _closed_pipes() -> Iterator[None]:
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        output = select.poll()
        output.register(sys.stdout, 0)
        if not output.poll(0):  # it is the pipe of something else
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the last flush
        sys.exit(128 + signal.SIGPIPE)


def input_error(error: BaseException | None) -> InputError | None:
    """Return the user's mistake that an exception was caused by, None if it is a defect.

    A missing package of one of musicssl's extras counts as a mistake, and also a disk that is full
    or not writable.
    """
    for cause in _causes(error):
        if isinstance(cause, InputError):
            return cause
        if isinstance(cause, OSError) and (sentence := disk_error(cause)):
            return InputError(sentence)
        if isinstance(cause, ModuleNotFoundError) and cause.name in _EXTRA_OF:
            extra = _EXTRA_OF[cause.name]
            return InputError(
                f"this needs the package {cause.name}; pip install 'musicssl[{extra}]'."
            )
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception, then its cause, and so on, each once.

    Causes can form a circle: `raise error.__cause__ from error` makes one.
    """
    seen: list[BaseException] = []
    while error is not None and not any(error is other for other in seen):
        yield error
        seen.append(error)
        error = error.__cause__


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CURE = {
    **dict.fromkeys(_FULL, "make room"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "make it writable"),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST, errno.EISDIR), "move what is there away"),
    errno.EIO: "check the disk",
}


def disk_error(error: OSError, folder: Path | None = None, setting: str = "") -> str | None:
    """Return one sentence about a disk that is full, fails, or may not be written.

    Args:
        error: Error of the system.
        folder: Folder that was to be written; None, or a file elsewhere, for what the error names.
        setting: Setting that chooses the folder, for the advice.

    Returns:
        The sentence; None for an error of another kind, or if nothing says where it happened.
    """
    place = error.filename2 or error.filename
    if folder is not None and (place is None or error.errno in (*_FULL, errno.EROFS)):
        place = folder if place is None or folder.parent in Path(place).parents else place
    if error.errno not in _CURE or (place is None and error.errno not in _FULL):
        return None
    where = "the output" if place is None else place
    other = f"choose another folder ({setting})" if setting else "choose another folder"
    return f"{where} cannot be written: {error.strerror}; {_CURE[error.errno]} or {other}."


@contextmanager
def write_errors(folder: Path, what: str, kept: str) -> Iterator[None]:
    """Report that derived data could not be written; the next call continues from there.

    Args:
        folder: Folder that they are written to.
        what: They are, such as "the clip store".
        kept: What is kept of them, such as "clips".

    Raises:
        InputError: Instead of the `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{what} cannot be written: {error.strerror or error}; make room or choose another "
            f"folder (data.cache), and start again: {folder} keeps the {kept} done so far."
        ) from error


@contextmanager
def disk_errors(folder: Path, setting: str = "") -> Iterator[None]:
    """Report a disk that is full, fails, or may not be written as a user's mistake.

    Args:
        folder: Folder that is written within.
        setting: Setting that chooses the folder, for the advice.

    Raises:
        InputError: Instead of the `OSError`.
    """
    try:
        yield
    except OSError as error:
        sentence = disk_error(error, folder, setting)
        if sentence is None:
            raise
        raise InputError(sentence) from error


def check_output(path: Path, option: str, is_folder: bool = False) -> None:
    """Check, before long work, that its result can be written; nothing is created.

    Args:
        path: A file, or a folder, that need not be there, in folders that need not be there.
        option: That chooses it, such as "--out", for the message.
        is_folder: Whether it is to be a folder.

    Raises:
        InputError: If it cannot.
    """
    place = path.expanduser().absolute()
    if not is_folder and place.is_dir():
        raise InputError(f"{option}: {printable(str(path))} is a folder; name a file in it.")
    above = next(p for p in (place, *place.parents) if p.exists())
    if not above.is_dir() and (is_folder or above != place):
        raise InputError(f"{option}: {printable(str(above))} is a file; choose another folder.")
    if not os.access(above, os.W_OK):
        raise InputError(
            f"{option}: {printable(str(above))} may not be written to; choose another folder."
        )
