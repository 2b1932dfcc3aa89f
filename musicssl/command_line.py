"""What all command lines do with a mistake of their user."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from musicssl.errors import InputError


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
