"""Stopping a command by a signal: it prints how to continue, and exits as shells expect."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from musicssl.runs.interruption import interruption
from musicssl.runs.preemption import preemption

_TERMINATED, _INTERRUPTED = 128 + signal.SIGTERM, 128 + signal.SIGINT
_MOMENT = 0.02  # seconds


@contextmanager
def graceful_exit(resumable: str) -> Iterator[None]:
    """Exit with 143 after SIGTERM and with 130 after Ctrl-C, and say that nothing is lost.

    A scheduler that announces the end of a job by SIGUSR1 finds 138, by which a script can know
    that the job is to be queued again.

    Args:
        resumable: What the same command continues, such as the folder of a run.
    """
    try:
        with signals_heard():
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


@contextmanager
def signals_heard() -> Iterator[None]:
    """Let a signal stop the process even if the exception of its handler is lost.

    In finalisers, callbacks of weak references and callbacks from C, Python prints an exception
    and goes on: a Ctrl-C that falls there would have no effect. Here such a signal is sent again a
    moment later, when the process is elsewhere, and again if it is still there.

    A library that a signal interrupts may also fail with an error of its own: in a `finally` that
    expects the work to be done, or in C code that reports every exception as a wrong argument. So
    an error after a signal is replaced by the exception of the signal's handler.

    Raises:
        KeyboardInterrupt: Instead of an error after Ctrl-C.
        SIGTERMException: Instead of an error after another signal.
    """
    before = sys.unraisablehook

    def send_again(ignored: "sys.UnraisableHookArgs") -> None:
        number = _signal_of(ignored.exc_value)
        if number is None:
            before(ignored)
            return
        main = threading.main_thread().ident
        later = threading.Timer(_MOMENT, signal.pthread_kill, (main, number))
        later.daemon = True
        later.start()

    sys.unraisablehook = send_again
    try:
        with interruption.remembered():
            yield
    except Exception as error:
        if interruption.heard:
            raise KeyboardInterrupt from error
        if preemption.number or termination.asked:
            from pytorch_lightning.utilities.exceptions import SIGTERMException  # takes seconds

            raise SIGTERMException from error
        raise
    finally:
        sys.unraisablehook = before


def _signal_of(stop: BaseException | None) -> int | None:
    """Return the number of the signal whose handler raised this; None for an ordinary error."""
    if isinstance(stop, KeyboardInterrupt):
        return signal.SIGINT
    if isinstance(stop, SystemExit) and _is_sigterm(stop):
        return preemption.number or signal.SIGTERM
    return None


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
