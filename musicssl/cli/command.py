"""How every Hydra command of musicssl starts, and how it reports errors."""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from musicssl.cli.conf import conf_folder
from musicssl.cli.exits import graceful_exit
from musicssl.cli.help import help_text
from musicssl.cli.overrides import override_errors
from musicssl.cli.paths import with_quoted_path
from musicssl.errors import InputError, user_errors


def run_command(name: str, compose_and_run: Callable[[], Any]) -> None:
    """Run a command decorated with `hydra.main`; exit with 2 after a user's mistake.

    Args:
        name: Name of the root configuration: "train" or "probe".
        compose_and_run: The decorated function; with other words beside --help, Hydra lists the
            settings of these choices.
    """
    if sys.argv[1:] in (["--help"], ["-h"]):
        with user_errors():
            print(help_text(conf_folder(), name))
        return
    sys.argv[1:] = map(with_quoted_path, sys.argv[1:])
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # `override_errors` formats errors, not Hydra
    with (
        user_errors(),
        graceful_exit("the sweep"),
        explain_killed_worker(),
        override_errors(conf_folder(), name, sys.argv[1:]),
    ):
        compose_and_run()


@contextmanager
def explain_killed_worker() -> Iterator[None]:
    """Explain what to do if the system has killed a worker process, which ends joblib's sweep.

    Raises:
        InputError: Instead of joblib's error.
    """
    try:
        yield
    except BrokenProcessPool as error:
        raise InputError(
            "a process of the sweep was killed, probably because memory ran out; the same command "
            "continues the sweep, and jobs=N with a smaller N needs less memory."
        ) from error
