"""What a command does when it is asked to stop: say how to continue, and exit as shells expect."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from musicssl.runs.preemption import preemption

_TERMINATED, _INTERRUPTED = 128 + signal.SIGTERM, 128 + signal.SIGINT


@contextmanager
def graceful_exit(resumable: str) -> Iterator[None]:
    """Exit with 143 after SIGTERM and with 130 after Ctrl-C, and say that nothing is lost.

    A scheduler that announces the end of a job by SIGUSR1 finds 138, by which a script can know
    that the job is to be queued again.

    Args:
        resumable: What the same command continues, such as the folder of a run.
    """
    try:
        yield
        return
    except KeyboardInterrupt:
        status = _INTERRUPTED
    except SystemExit as stop:
        if _is_sigterm(stop):
            status = 128 + preemption.number if preemption.number else _TERMINATED
        elif isinstance(stop.__context__, KeyboardInterrupt):  # Lightning turns Ctrl-C into this
            status = _INTERRUPTED
        else:
            raise
    print(f"Stopped; the same command continues {resumable}.", file=sys.stderr)
    sys.exit(status)


def _is_sigterm(stop: SystemExit) -> bool:
    """Whether Lightning raised this after SIGTERM; importing Lightning to ask takes seconds."""
    exceptions = sys.modules.get("pytorch_lightning.utilities.exceptions")
    return exceptions is not None and isinstance(stop, exceptions.SIGTERMException)


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
        is_between_runs = signal.getsignal(signal.SIGTERM) is self
        if is_between_runs:
            self.check()

    def check(self) -> None:
        """Stop now if that was asked for.

        Raises:
            SIGTERMException: If so.
        """
        if self.asked:
            from pytorch_lightning.utilities.exceptions import SIGTERMException

            raise SIGTERMException


termination = Termination()  # a process has one answer to a signal
