"""A command that is asked to stop says how to go on, and exits with the status shells expect."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pytorch_lightning.utilities.exceptions import SIGTERMException

_TERMINATED, _INTERRUPTED = 128 + signal.SIGTERM, 128 + signal.SIGINT


@contextmanager
def stops_kindly(what: str) -> Iterator[None]:
    """Exit with 143 after SIGTERM and 130 after Ctrl-C, and say that nothing is lost.

    Args:
        what: Goes on when the same command is given again.
    """
    try:
        yield
        return
    except SIGTERMException:
        status = _TERMINATED
    except KeyboardInterrupt:
        status = _INTERRUPTED
    except SystemExit as stop:
        if not isinstance(stop.__context__, KeyboardInterrupt):  # Lightning's way to end Ctrl-C
            raise
        status = _INTERRUPTED
    print(f"Stopped; the same command goes on with {what}.", file=sys.stderr)
    sys.exit(status)


class Termination:
    """SIGTERM stops a process whose work comes in many runs, between and within them.

    While a run trains, Lightning answers the signal: it ends the step, saves, and raises. A signal
    too late for that, after the last step, must still keep the next run from starting.
    """

    def __init__(self) -> None:
        self.asked = False

    def install(self) -> None:
        """Answer SIGTERM from now on."""
        signal.signal(signal.SIGTERM, self)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Stop at once, or leave it to Lightning, which calls the handler it found."""
        self.asked = True
        if signal.getsignal(signal.SIGTERM) is self:
            raise SIGTERMException

    def check(self) -> None:
        """Stop now if that was asked for.

        Raises:
            SIGTERMException: If so.
        """
        if self.asked:
            raise SIGTERMException


termination = Termination()  # a process has one answer to a signal
