"""User errors: one exception, and how every command reports it."""

import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

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

    Hydra wraps what a constructor raises, so the causes of an exception count too. Anything else
    is a defect and passes with its traceback.
    """
    try:
        yield
    except Exception as error:
        mistake = input_error(error)
        if mistake is None:
            raise
        lines = map(printable, str(mistake).splitlines())
        print("error:", "\n".join(lines), file=sys.stderr)
        sys.exit(2)


def input_error(error: BaseException | None) -> InputError | None:
    """Return the user's mistake that an exception was caused by, None if it is a defect.

    A missing package of one of musicssl's extras counts as a mistake.
    """
    while error is not None:
        if isinstance(error, InputError):
            return error
        if isinstance(error, ModuleNotFoundError) and error.name in _EXTRA_OF:
            extra = _EXTRA_OF[error.name]
            return InputError(
                f"this needs the package {error.name}; pip install 'musicssl[{extra}]'."
            )
        error = error.__cause__
    return None
