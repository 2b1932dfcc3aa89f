"""User errors: one exception, and how every command reports it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


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
        print(f"error: {mistake}", file=sys.stderr)
        sys.exit(2)


def input_error(error: BaseException | None) -> InputError | None:
    """Return the user's mistake that an exception was caused by, None if it is a defect."""
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__
    return error
